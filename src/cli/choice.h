// Owns the choice of the device that runs a model: what each one says to it, which is taken, and why. It knows no backend:
// the list of them is handed in (backends.h).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"
#include "engine/memory_plan.h"
#include "model/weights.h"

namespace tercet::cli {

// One of the program's backends. Function pointers, so that a list of them is a table.
struct BackendEntry {
  std::string_view name;
  const backend::Factory* factory;  // null: this version lists its devices and runs no model on them
  bool is_for_auto;                 // `auto` may pick it
  Result<std::vector<backend::DeviceInfo>> (*devices)();
  // Bytes a second of a GPU's own memory; null: there is no such measure. cli/bandwidth.h says when it is asked.
  Result<double> (*read_bandwidth)(int device);
  std::string_view about;                 // what is to be said of it beside its devices
  const char* device_variable = nullptr;  // of the environment: names a device where --device does not
  // What the device computes at most, by that many threads of the host where it is the host; null: there is no such measure.
  Result<backend::Arithmetic> (*arithmetic)(int device, int n_thread) = nullptr;
};

// What is asked for: flags, and what the verb needs.
struct Demand {
  std::string backend = "auto";
  std::string device = {};          // an index, or a part of a name in any case; empty: any
  std::optional<int> ctx = {};      // nothing: what fits; 0: the trained length
  int n_page = 0;                   // this many KV pages in place of a context; 0: by the context
  bool shares_pages = false;        // the context is one sequence's ceiling over pages that all of them share
  std::optional<int> max_row = {};  // nothing: what the backend is best run with
  backend::Options options = {};    // precision, n_thread, max_sequence; the rest is filled in
};

// What a device says to a model.
struct Candidate {
  const BackendEntry* entry;
  backend::DeviceInfo device;
  backend::Options options;         // to make the backend with, if it fits
  backend::Footprint footprint;     // where nothing runs yet: the file's weights and keys and values of 16 bits
  Result<engine::MemoryPlan> plan;  // or why not
  bool usable() const { return entry->factory != nullptr && plan.has_value(); }
};

Candidate judge(const BackendEntry& entry, backend::DeviceInfo device, const model::Model& model, const Demand& demand);

// Those of the entry's devices that a flag names, or where that is empty the entry's variable; all if nothing does. Errors:
// kDevice, and then what there is.
Result<std::vector<backend::DeviceInfo>> named_devices(const BackendEntry& entry, const std::string& flag);
// What the entry's variable has to say, and that it is set at all.
std::optional<std::string> variable_note(const BackendEntry& entry);

// Those of the entry's devices that the demand names, in the device's order, or why there are none. A plan's
// kInvalidArgument (a context that no device changes) is in each of them.
Result<std::vector<Candidate>> candidates(const BackendEntry& entry, const model::Model& model, const Demand& demand);

// A usable one: of the discrete ones, else the integrated, software last, the one with the most free memory, ties to the
// lower index; null if there is none.
const Candidate* best_of(std::span<const Candidate> all);

struct Choice {
  Candidate candidate;  // usable
  std::string why;      // empty if the user named the backend
};

// A backend that was named is used or is an error. `auto` takes the first entry with a usable device. Errors: kDevice (none
// there, or none that can run it), kOutOfMemory, kInvalidArgument (the context), kUnsupported (nothing runs there yet).
Result<Choice> choose(std::span<const BackendEntry> entries, const model::Model& model, const Demand& demand);

// The part of choose() that needs no model: that a backend that was named has a device that was named. Errors: as above.
Status check_demand(std::span<const BackendEntry> entries, const Demand& demand);

// Why `auto` does not take this entry, in a few words; what it says of itself where it could.
std::string why_not(const BackendEntry& entry, const Result<std::vector<Candidate>>& found);

}  // namespace tercet::cli
