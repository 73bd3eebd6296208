// Owns what a receipt says of the time of each stage: how long it took, how many bytes it had to read and how many operations
// it had to do. No bound speaks of these; a report draws them beside what the memory allows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "contract/check.h"
#include "contract/run.h"

namespace tercet::contract {

// A stage of a step, all layers together, run by itself (Backend::time_step); "step" is the whole of one, as it runs otherwise.
struct StagePoint {
  std::string stage;
  int64_t n_row = 0;   // of the step
  double seconds = 0;  // the median over steps
  double bytes = 0;    // weights of the experts that were chosen, all other weights once, and the KV cache
  double flops = 0;    // of the products; a multiplication and an addition are two. 0 of embed, which has none
};

struct Roofline {
  std::string backend;
  backend::Precision precision = backend::Precision::kHigh;
  std::optional<double> read_bandwidth;           // bytes a second, measured
  std::optional<backend::Arithmetic> arithmetic;  // measured
  std::vector<StagePoint> points;
  std::string absent;  // what is not here, and why; empty: nothing is missing
};

// How many tokens one sequence decodes when the whole step of a device is timed.
inline constexpr int kDecodeSteps = 32;

// What can be measured of the subject in the default precision: a point for each stage in steps of 1 and of 64 rows, medians
// over steps; of a device, where stages overlap, also one for a whole step of decoding. Those of a device are left out if there
// is no time for them. What goes wrong is `absent`. Errors: kCancelled.
Result<Roofline> measure_roofline(const World& world, const Subject& subject, Depth depth);

}  // namespace tercet::contract
