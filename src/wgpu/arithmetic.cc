// How much arithmetic a device does at most: kernels/multiply.wgsl, which reads nothing, timed by the host.
#include <array>

#include "wgpu/context.h"
#include "wgpu/passes.h"
#include "wgpu/shaders.h"
#include "wgpu/stages.h"
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

constexpr uint32_t kBusyGroups = 2048;  // of 256 threads: more than a GPU runs at a time
constexpr uint32_t kRounds = 64;
constexpr double kFlops = 2.0 * 64 * kRounds * 256 * kBusyGroups;  // of a launch

}  // namespace

Result<backend::Arithmetic> measure_arithmetic(int device, int /*n_thread*/) {
  constexpr std::string_view kWhat = "measuring the arithmetic";
  constexpr WGPUBufferUsage kUsage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst;
  ASSIGN_OR_RETURN(const auto context, Context::open(device));
  ASSIGN_OR_RETURN(const Buffer data, context->make_buffer(16, kUsage, kWhat));
  ASSIGN_OR_RETURN(const Buffer sink, context->make_buffer(16, kUsage, kWhat));
  constexpr std::array<float, 4> kData = {1.0F, 0.5F};
  context->write(data.get(), 0, kData.data(), sizeof(kData));
  const Range input[] = {{data.get(), 0, 0}};
  const Range ranges[] = {{data.get(), 0, 0}, {sink.get(), 0, 0}};
  ASSIGN_OR_RETURN(const BindGroup input_group, context->bind("r", input));
  ASSIGN_OR_RETURN(const BindGroup group, context->bind("rw", ranges));
  const std::string text = constant("ROUNDS", kRounds) + std::string(shader("kernels/multiply"));
  ASSIGN_OR_RETURN(const Kernel* kernel, context->kernel("kernels/multiply", text, "rw"));
  const Launch launch = {kernel, input_group.get(), group.get(), kBusyGroups};
  RETURN_IF_ERROR(pass_ms(*context, launch, 1));  // the first brings the kernel over
  ASSIGN_OR_RETURN(const double ms, best_launch_ms(*context, launch));
  return backend::Arithmetic{kFlops / (ms / 1e3), "fused multiply-adds in f32"};
}

}  // namespace tercet::wgpu
