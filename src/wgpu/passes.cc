#include "wgpu/passes.h"

#include <algorithm>

#include "base/clock.h"

namespace tercet::wgpu {
namespace {

constexpr double kPassMs = 20;  // beside which a submission is nothing
constexpr int kMostLaunches = 256;
constexpr int kPasses = 5;

}  // namespace

Result<double> pass_ms(Context& context, const Launch& launch, int n_launch) {
  const Handle<WGPUCommandEncoder, wgpuCommandEncoderRelease> encoder(
      wgpuDeviceCreateCommandEncoder(context.device(), nullptr));
  const Handle<WGPUComputePassEncoder, wgpuComputePassEncoderRelease> pass(
      wgpuCommandEncoderBeginComputePass(encoder.get(), nullptr));
  wgpuComputePassEncoderSetPipeline(pass.get(), launch.kernel->pipeline.get());
  wgpuComputePassEncoderSetBindGroup(pass.get(), 0, launch.input, 0, nullptr);
  wgpuComputePassEncoderSetBindGroup(pass.get(), 1, launch.group, 0, nullptr);
  for (int i = 0; i < n_launch; ++i) wgpuComputePassEncoderDispatchWorkgroups(pass.get(), launch.n_group, 1, 1);
  wgpuComputePassEncoderEnd(pass.get());
  const Stopwatch time;
  const WGPUSubmissionIndex submission = context.submit(encoder.get());
  RETURN_IF_ERROR(context.wait(submission));
  return time.elapsed_ms();
}

Result<double> best_launch_ms(Context& context, const Launch& launch) {
  int n_launch = 1;
  ASSIGN_OR_RETURN(double best, pass_ms(context, launch, n_launch));
  while (best < kPassMs && n_launch < kMostLaunches) {
    n_launch *= 2;
    ASSIGN_OR_RETURN(best, pass_ms(context, launch, n_launch));
  }
  for (int i = 0; i < kPasses; ++i) {
    ASSIGN_OR_RETURN(const double ms, pass_ms(context, launch, n_launch));
    best = std::min(best, ms);
  }
  return best / n_launch;
}

}  // namespace tercet::wgpu
