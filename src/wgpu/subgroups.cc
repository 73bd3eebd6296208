#include "wgpu/subgroups.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "wgpu/quirks.h"
#include "wgpu/shaders.h"

namespace tercet::wgpu {
namespace {

constexpr int kStrides = 7;     // that kernels/shuffle.wgsl tries
constexpr int kMostWidth = 64;  // a kernel's fewest threads
constexpr int kLeastSize = 4;   // WGSL promises it
constexpr uint32_t kGroups = 64;

Result<bool> is_wanted() {
  const char* wanted = std::getenv("TERCET_WGPU_SUBGROUPS");
  if (wanted == nullptr || *wanted == '\0' || std::string_view(wanted) == "on") return true;
  if (std::string_view(wanted) == "off") return false;
  return error(Code::kInvalidArgument, "TERCET_WGPU_SUBGROUPS: {}, want on or off", wanted);
}

// The threads, of those of kGroups workgroups, that did not find their neighbour, by stride.
Result<std::array<uint32_t, kStrides>> count_missed(Context& context) {
  constexpr uint64_t kBytes = 4 * (kStrides + 1);
  ASSIGN_OR_RETURN(const Kernel* kernel,
                   context.kernel("kernels/shuffle", std::string(shader("kernels/shuffle")), "w"));
  ASSIGN_OR_RETURN(const Buffer input, context.make_buffer(16, WGPUBufferUsage_Storage, "trying subgroups"));
  ASSIGN_OR_RETURN(const Buffer missed,
                   context.make_buffer(kBytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopySrc, "trying subgroups"));
  Readback results;
  ASSIGN_OR_RETURN(results.buffer,
                   context.make_buffer(kBytes, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "trying subgroups"));
  const Range ranges[] = {{input.get(), 0, 0}, {missed.get(), 0, 0}};
  ASSIGN_OR_RETURN(const BindGroup input_group, context.bind("r", std::span(ranges).first(1)));
  ASSIGN_OR_RETURN(const BindGroup group, context.bind("w", std::span(ranges).last(1)));
  const Handle<WGPUCommandEncoder, wgpuCommandEncoderRelease> encoder(
      wgpuDeviceCreateCommandEncoder(context.device(), nullptr));
  Handle<WGPUComputePassEncoder, wgpuComputePassEncoderRelease> pass(
      wgpuCommandEncoderBeginComputePass(encoder.get(), nullptr));
  wgpuComputePassEncoderSetPipeline(pass.get(), kernel->pipeline.get());
  wgpuComputePassEncoderSetBindGroup(pass.get(), 0, input_group.get(), 0, nullptr);
  wgpuComputePassEncoderSetBindGroup(pass.get(), 1, group.get(), 0, nullptr);
  wgpuComputePassEncoderDispatchWorkgroups(pass.get(), kGroups, 1, 1);
  wgpuComputePassEncoderEnd(pass.get());
  pass.reset();
  wgpuCommandEncoderCopyBufferToBuffer(encoder.get(), missed.get(), 0, results.buffer.get(), 0, kBytes);
  const WGPUSubmissionIndex submission = context.submit(encoder.get());
  context.start_reading(results, kBytes);
  RETURN_IF_ERROR(context.wait(submission));
  ASSIGN_OR_RETURN(const auto bytes, context.reading(results));
  std::array<uint32_t, kStrides> out = {};
  std::memcpy(out.data(), bytes.data(), sizeof(out));
  context.done_reading(results);
  return out;
}

}  // namespace

Result<int> subgroup_width(Context& context) {
  ASSIGN_OR_RETURN(const bool wanted, is_wanted());
  const Quirks& quirks = quirks_of(context.adapter().facts());
  if (!wanted || !context.has_subgroups() || !quirks.has_subgroups) return 1;
  // Software has one size, by the CPU that it runs on.
  int most = kMostWidth;
  if (context.adapter().subgroup_least > 0)
    most = std::min(most, static_cast<int>(context.adapter().subgroup_least));
  else if (!quirks.is_software)
    most = std::min(most, quirks.subgroup_least > 0 ? quirks.subgroup_least : kLeastSize);
  ASSIGN_OR_RETURN(const auto missed, count_missed(context));
  int width = 1;
  for (int i = 0; i < kStrides && 2 * width <= most && missed[static_cast<size_t>(i)] == 0; ++i) width *= 2;
  return width >= kLeastSize ? width : 1;
}

}  // namespace tercet::wgpu
