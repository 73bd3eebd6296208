#include "wgpu/stage_timer.h"

#include <cstring>

#include "base/check.h"

namespace tercet::wgpu {
namespace {

constexpr uint32_t kMostQueries = 4096;  // that WebGPU lets a set have

}  // namespace

Status StageTimer::prepare(uint32_t n_pass) {
  passes_.clear();
  if (!context_.times_passes())
    return error(Code::kUnsupported, "wgpu: {}: no clock to time stages by, want an adapter with timestamp-query",
                 context_.name());
  const uint32_t n = n_pass + 1;
  if (n > kMostQueries)
    return error(Code::kUnsupported, "wgpu: {}: {} stages in all layers, want at most {} to be timed", context_.name(),
                 n_pass, kMostQueries - 1);
  if (n <= n_query_) return {};
  n_query_ = 0;
  ASSIGN_OR_RETURN(resolved_,
                   context_.make_buffer(8 * uint64_t{n}, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc,
                                        "the times of a step"));
  ASSIGN_OR_RETURN(
      read_.buffer,
      context_.make_buffer(8 * uint64_t{n}, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "the times of a step"));
  WGPUQuerySetDescriptor descriptor{};
  descriptor.type = WGPUQueryType_Timestamp;
  descriptor.count = n;
  queries_.reset(wgpuDeviceCreateQuerySet(context_.device(), &descriptor));
  RETURN_IF_ERROR(context_.status());
  n_query_ = n;
  return {};
}

WGPUPassTimestampWrites StageTimer::writes() {
  const auto pass = static_cast<uint32_t>(passes_.size());
  CHECK(pass + 1 < n_query_);
  WGPUPassTimestampWrites out{};
  out.querySet = queries_.get();
  out.beginningOfPassWriteIndex = pass == 0 ? 0 : WGPU_QUERY_SET_INDEX_UNDEFINED;
  out.endOfPassWriteIndex = pass + 1;
  return out;
}

void StageTimer::resolve(WGPUCommandEncoder encoder) {
  const auto n = static_cast<uint32_t>(passes_.size() + 1);
  wgpuCommandEncoderResolveQuerySet(encoder, queries_.get(), 0, n, resolved_.get(), 0);
  wgpuCommandEncoderCopyBufferToBuffer(encoder, resolved_.get(), 0, read_.buffer.get(), 0, n_byte());
}

Result<backend::StageTimes> StageTimer::read() {
  ASSIGN_OR_RETURN(const auto bytes, context_.reading(read_));
  std::vector<uint64_t> ticks(passes_.size() + 1);
  std::memcpy(ticks.data(), bytes.data(), n_byte());
  context_.done_reading(read_);
  const double seconds_a_tick = static_cast<double>(wgpuQueueGetTimestampPeriod(context_.queue())) * 1e-9;
  backend::StageTimes out = {};
  for (size_t i = 0; i < passes_.size(); ++i)
    out[static_cast<size_t>(passes_[i])] += static_cast<double>(ticks[i + 1] - ticks[i]) * seconds_a_tick;
  return out;
}

}  // namespace tercet::wgpu
