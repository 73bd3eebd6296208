// Owns what a falsifier's check is: code that tries something on a backend through the seam and says what it measured. It
// knows no bounds: those stand in the contract, and run.h compares.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace tercet::contract {

struct Figure {
  std::string name;                             // one of the check's
  std::optional<backend::Precision> precision;  // of the backend, where there are several
  double value = 0;
  std::string where;  // what it was the worst of: a tap, a position, a format
};

// Numbers that a report draws and no bound speaks of: [n, width], row after row.
struct Series {
  std::string name;
  std::optional<backend::Precision> precision;
  int64_t width = 1;
  std::vector<double> values;
};

struct Evidence {
  std::vector<Figure> figures;
  std::vector<Series> series;
  std::string broken;                       // what was seen that no bound allows; empty: nothing
  std::string skipped;                      // why there is nothing to say; empty: there is
  std::vector<backend::Precision> untried;  // that were left out, to be quick: their bounds are not looked at

  void add(std::string name, std::optional<backend::Precision> precision, double value, std::string where = "") {
    figures.push_back({std::move(name), precision, value, std::move(where)});
  }
};

// What a step of decoding one sequence takes.
struct Decoding {
  double seconds = 0;
  double bytes = 0;  // that it reads
};

// A backend on one of its devices.
struct Subject {
  const backend::Factory* factory = nullptr;
  backend::DeviceInfo device;
  // The device as it is now, for its memory; null where nobody can tell.
  std::function<Result<backend::DeviceInfo>()> look_again;
  // Bytes a second that the device reads of its memory, measured; null where nobody can tell.
  std::function<Result<double>()> read_bandwidth;
  // What the device computes at most, measured; null where nobody can tell.
  std::function<Result<backend::Arithmetic>()> arithmetic;
  // One sequence's decoding; null where nobody can tell.
  std::function<Result<Decoding>()> decode;
  std::string_view name() const { return factory->name; }
};

// What all checks of a run share.
struct World {
  std::shared_ptr<const model::Model> model;
  const tokenizer::Tokenizer* tokenizer = nullptr;  // null: the file has no vocabulary
  const backend::Factory* yardstick = nullptr;      // `cpu`, whose exact mode stands for ref where ref is too slow
  std::string data_folder;                          // where the contracts lie, with their texts and stored logits
  bool is_long = false;                             // take the time that it takes
  int n_thread = 1;
  std::function<void(std::string_view)> progress;  // what is being done; may be empty
  std::function<bool()> is_cancelled;              // may be empty

  void say(std::string_view what) const {
    if (progress) progress(what);
  }
  // Errors: kCancelled.
  Status go_on() const {
    if (is_cancelled && is_cancelled()) return error(Code::kCancelled, "contract run: interrupted, want it to end");
    return {};
  }
};

class GateMemo;

struct Context {
  const World& world;
  const Subject* subject;  // null for a check of no backend
  GateMemo& gates;         // what several checks read off one run
};

struct Check {
  std::string_view name;
  bool on_backend;  // whether it has a subject
  std::span<const std::string_view> figures;
  // Errors are of the machine (no memory, a lost device): the row is then falsified with the message.
  Result<Evidence> (*run)(const Context& context);
};

// All that the program has.
std::span<const Check> checks();
const Check* find_check(std::string_view name);

}  // namespace tercet::contract
