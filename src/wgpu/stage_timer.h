// Owns the times of a step's stages on the device: each is a pass of its own, whose end the device notes.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/stage_times.h"
#include "wgpu/context.h"

namespace tercet::wgpu {

class StageTimer {
 public:
  explicit StageTimer(Context& context) : context_(context) {}

  // Makes room for that many passes, before a step is recorded. Errors: kUnsupported where the adapter tells no time;
  // kOutOfMemory, kDevice.
  Status prepare(uint32_t n_pass);
  // For the pass that is about to begin; then what it was, when it has ended.
  WGPUPassTimestampWrites writes();
  void ended(backend::Stage stage) { passes_.push_back(stage); }
  // Behind the last pass.
  void resolve(WGPUCommandEncoder encoder);
  // Once the step is submitted; then once it was waited for.
  void start_reading() { context_.start_reading(read_, n_byte()); }
  Result<backend::StageTimes> read();

 private:
  using QuerySet = Handle<WGPUQuerySet, wgpuQuerySetRelease>;
  uint64_t n_byte() const { return 8 * (passes_.size() + 1); }  // of the beginning and all ends

  Context& context_;
  QuerySet queries_;
  uint32_t n_query_ = 0;
  Buffer resolved_;
  Readback read_;
  std::vector<backend::Stage> passes_;
};

}  // namespace tercet::wgpu
