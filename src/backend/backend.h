// Owns the seam. The engine calls a backend once or twice a step, so a virtual call costs nothing; below it there is no
// abstraction of tensors or operators.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/batch.h"
#include "backend/stage_times.h"
#include "backend/taps.h"
#include "base/result.h"

namespace tercet::model {
struct Model;
}

namespace tercet::backend {

using Ticket = uint64_t;

// How close to src/ref a backend stays (docs/stages.md#modes).
enum class Precision { kExact, kHigh, kFast };
constexpr std::string_view precision_name(Precision p) {
  return p == Precision::kExact ? "exact" : p == Precision::kHigh ? "high" : "fast";
}

enum class KvType { kF32, kF16 };
constexpr int kv_element_bytes(KvType type) { return type == KvType::kF32 ? 4 : 2; }

// The shape of the paged KV cache. One layer's keys of one page: [n_head_kv, page_size, d_head]; the values the same.
struct KvLayout {
  KvType type = KvType::kF32;
  int page_size = 64;  // tokens
  int n_page = 0;
  int n_layer = 0;
  int n_head_kv = 0;
  int d_head = 0;
  int64_t page_bytes() const {  // keys and values of all layers
    return int64_t{2} * n_layer * n_head_kv * page_size * d_head * kv_element_bytes(type);
  }
};

struct Limits {
  int max_row = 512;      // rows a step
  int max_sequence = 64;  // slots
  KvLayout kv;
};

// Told of the weights on their way to where they are used, on the thread that makes the backend; at last with done ==
// total.
using LoadProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

struct Options {
  Precision precision = Precision::kHigh;
  int device = 0;    // which of the backend's devices, as its list numbers them
  int n_thread = 1;  // of the host
  int max_row = 512;
  int max_sequence = 64;
  int n_page = 0;  // KV pages to reserve; the caller has seen that they fit
  LoadProgress progress = {};
};

// What a backend takes of its device's memory. For the host, mapped weights count as well: they must stay in memory to be
// of use.
struct Footprint {
  int64_t weight_bytes = 0;
  int64_t kv_bytes_per_token = 0;
  int64_t workspace_bytes = 0;  // the values of one step of max_row rows, of max_sequence sequences at most
};

// Runs steps for many sequences. Not thread-safe: one thread drives it.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "cpu"
  virtual std::string device() const = 0;     // "AMD EPYC, 2 threads, avx512-vnni"
  virtual const Limits& limits() const = 0;

  // Enqueues a step; two may be in flight. `trace` may be null and must live until the step was waited for.
  // What is malformed in a batch is our own bug, and a CHECK. Errors: those of the device.
  virtual Result<Ticket> submit(const Batch& batch, TraceSink* trace) = 0;
  // Waits for a step, in the order of submission. Errors: kIo when the model's file changed underneath, kDevice.
  virtual Status wait(Ticket ticket, StepResult& out) = 0;

  // Runs a step by itself, with none in flight, each stage when the one before it is over, and reads the device's clock in
  // between. For those who measure: it gives the same bits and takes longer than a step does otherwise. Errors: kUnsupported
  // where there is no clock to be read, before anything is run; those of submit and wait.
  virtual Result<StageTimes> time_step(const Batch& batch, StepResult& out) {
    (void)batch, (void)out;
    return error(Code::kUnsupported, "{} tells no time of a stage", name());
  }
};

// How a backend is made; the program's list of them stands in one place (cli/backends.cc) and is handed down.
struct Factory {
  std::string_view name;
  int max_row;  // rows a step that it is best run with: enough that a prompt's tokens share what they read of the weights
  // For the memory plan, before anything is allocated. n_page is not looked at.
  Footprint (*footprint)(const model::Model& model, const Options& options);
  // Errors: kOutOfMemory, kDevice, kIo if the model's file changed while it was read.
  Result<std::unique_ptr<Backend>> (*make)(std::shared_ptr<const model::Model> model, const Options& options);
};

}  // namespace tercet::backend
