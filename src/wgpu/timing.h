// Owns the times of kernels on the device and of the host beside it, for those who make them faster: TERCET_WGPU_TIMES=1 tells
// them on stderr when the backend goes. Of every few steps of as many rows one carries a mark behind each kernel, and is
// waited for; the others run as they always do, and tell what the host took to record them and whether the device had
// nothing to do by then.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "wgpu/context.h"

namespace tercet::wgpu {

class Timing {
 public:
  // Does nothing unless the variable is set; no marks where the adapter has no timestamps within a pass.
  explicit Timing(Context& context);
  ~Timing();
  Timing(const Timing&) = delete;
  Timing& operator=(const Timing&) = delete;

  // The host begins with a step; then the pass it is recorded into. A step without begin() counts for nothing.
  void start() { recording_.restart(); }
  void begin(WGPUComputePassEncoder pass, int n_row);
  // What was dispatched since the mark before is of that name.
  void mark(WGPUComputePassEncoder pass, std::string_view name, int variant);
  // Behind the pass, before the encoder is finished; then right before its submission, and after it.
  void resolve(WGPUCommandEncoder encoder);
  void submitting();
  void submitted(WGPUSubmissionIndex submission);
  // The host waited for a step of so many rows. What it does not wait, it takes from the device.
  void waited(int n_row, double us);

 private:
  static constexpr uint32_t kMost = 4096;  // marks that a query set holds
  static constexpr int kEvery = 8;         // steps of which one is marked
  struct Sum {
    int64_t n = 0;
    double us = 0;
  };
  using QuerySet = Handle<WGPUQuerySet, wgpuQuerySetRelease>;

  using Key = std::pair<std::string, int>;
  struct Steps {
    int64_t n_begun = 0;
    int64_t n_marked = 0;
    std::map<Key, Sum> sums;
    std::vector<double> record_us, submit_us, wait_us;  // of those without marks
  };
  void collect(WGPUSubmissionIndex submission);

  Context& context_;
  const bool is_on_;
  QuerySet queries_;
  Buffer resolved_;
  Readback read_;
  std::vector<Key> names_;      // of the marks of this step
  std::map<int, Steps> steps_;  // by their rows
  int n_row_ = 0;               // of this step; 0: it counts for nothing
  Stopwatch recording_, submitting_;
};

}  // namespace tercet::wgpu
