// How fast a device reads its own memory: kernels/read_sum.wgsl over one large buffer, timed by the host.
#include <algorithm>

#include "wgpu/context.h"
#include "wgpu/passes.h"
#include "wgpu/shaders.h"
#include "wgpu/stages.h"
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

constexpr uint64_t kGroups = 2048;                        // of 256 threads: more than a GPU runs at a time
constexpr uint64_t kLeastBytes = kGroups * 256 * 8 * 16;  // 64 MiB: eight words a thread
constexpr uint64_t kMostBytes = uint64_t{1} << 30;        // several times what caches hold

struct Reader {
  Buffer data, sink, input;
  BindGroup input_group, group, fill_group;
  const Kernel* sum = nullptr;
  const Kernel* fill = nullptr;
};

std::string text_of(std::string_view name, std::string_view access, uint64_t n_byte) {
  return constant("GROUPS", kGroups) + constant("READS", n_byte / kLeastBytes) +
         fmt::format("@group(1) @binding(0) var<storage, {}> data: array<vec4<u32>>;\n", access) +
         std::string(shader(name));
}

Result<Reader> make_reader(Context& context, uint64_t n_byte) {
  constexpr WGPUBufferUsage kUsage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst;
  Reader out;
  ASSIGN_OR_RETURN(out.data, context.make_buffer(n_byte, kUsage, "measuring the read bandwidth"));
  ASSIGN_OR_RETURN(out.sink, context.make_buffer(16, kUsage, "measuring the read bandwidth"));
  ASSIGN_OR_RETURN(out.input, context.make_buffer(16, kUsage, "measuring the read bandwidth"));
  const Range input[] = {{out.input.get(), 0, 0}};
  const Range ranges[] = {{out.data.get(), 0, n_byte}, {out.sink.get(), 0, 0}};
  ASSIGN_OR_RETURN(out.input_group, context.bind("r", input));
  ASSIGN_OR_RETURN(out.group, context.bind("rw", ranges));
  ASSIGN_OR_RETURN(out.fill_group, context.bind("w", std::span(ranges).first(1)));
  ASSIGN_OR_RETURN(out.sum, context.kernel("kernels/read_sum", text_of("kernels/read_sum", "read", n_byte), "rw"));
  ASSIGN_OR_RETURN(out.fill, context.kernel("kernels/fill", text_of("kernels/fill", "read_write", n_byte), "w"));
  return out;
}

Result<double> measure(int device, uint64_t most_bytes) {
  ASSIGN_OR_RETURN(const auto context, Context::open(device));
  const uint64_t limit = std::min(context->limits().maxStorageBufferBindingSize, context->limits().maxBufferSize);
  const uint64_t n_byte = std::min(most_bytes, limit) / kLeastBytes * kLeastBytes;
  if (n_byte == 0)
    return error(Code::kUnsupported, "wgpu: {}: measuring the read bandwidth: at most {} bytes a buffer, want {}",
                 context->name(), limit, kLeastBytes);
  ASSIGN_OR_RETURN(const Reader reader, make_reader(*context, n_byte));
  constexpr auto kLaunched = static_cast<uint32_t>(kGroups);
  const WGPUBindGroup input = reader.input_group.get();
  RETURN_IF_ERROR(pass_ms(*context, {reader.fill, input, reader.fill_group.get(), kLaunched}, 1));
  ASSIGN_OR_RETURN(const double ms, best_launch_ms(*context, {reader.sum, input, reader.group.get(), kLaunched}));
  return static_cast<double>(n_byte) / (ms / 1000);
}

}  // namespace

Result<double> measure_read_bandwidth(int device) {
  // WebGPU does not tell how much memory is free: less of it is tried where a device has not so much.
  for (uint64_t n_byte = kMostBytes;; n_byte /= 2) {
    auto measured = measure(device, n_byte);
    if (measured || measured.error().code != Code::kOutOfMemory || n_byte == kLeastBytes) return measured;
  }
}

}  // namespace tercet::wgpu
