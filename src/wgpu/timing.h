// Owns the times of kernels on the device, for those who make them faster: TERCET_WGPU_TIMES=1 tells them on stderr when the
// backend goes. Each step is then waited for, so that a step's own time is longer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wgpu/context.h"

namespace tercet::wgpu {

class Timing {
 public:
  // Does nothing unless the variable is set and the adapter has timestamps within a pass.
  explicit Timing(Context& context);
  ~Timing();
  Timing(const Timing&) = delete;
  Timing& operator=(const Timing&) = delete;

  bool is_on() const { return queries_ != nullptr; }
  void begin(WGPUComputePassEncoder pass, int n_row);
  // What was dispatched since the mark before is of that name.
  void mark(WGPUComputePassEncoder pass, std::string_view name, int variant);
  // Behind the pass, before the encoder is finished; then after its submission.
  void resolve(WGPUCommandEncoder encoder);
  void collect(WGPUSubmissionIndex submission);

 private:
  static constexpr uint32_t kMost = 4096;  // marks that a query set holds
  struct Sum {
    int64_t n = 0;
    double us = 0;
  };
  using QuerySet = Handle<WGPUQuerySet, wgpuQuerySetRelease>;

  Context& context_;
  QuerySet queries_;
  Buffer resolved_;
  Readback read_;
  std::vector<std::pair<std::string, int>> names_;  // of the marks of this step
  using Key = std::pair<std::string, int>;
  struct Steps {
    int64_t n = 0;
    std::map<Key, Sum> sums;
  };
  std::map<int, Steps> steps_;  // by their rows
  int n_row_ = 0;
};

}  // namespace tercet::wgpu
