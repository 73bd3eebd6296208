#include "cli/backends.h"

#include <array>

#include "base/cpu_info.h"
#include "base/memory.h"
#include "cpu/cpu.h"
#include "cpu/kernels/kernels.h"
#include "cuda/cuda.h"
#include "ref/ref.h"
#include "wgpu/wgpu.h"

namespace tercet::cli {
namespace {

using backend::DeviceInfo;

std::vector<std::string> cpu_features() {
  std::vector<std::string> features;
#if defined(__x86_64__)
#define TERCET_FEATURE(name) \
  if (__builtin_cpu_supports(name)) features.emplace_back(name)
  TERCET_FEATURE("sse4.2");
  TERCET_FEATURE("avx");
  TERCET_FEATURE("f16c");
  TERCET_FEATURE("fma");
  TERCET_FEATURE("avx2");
  TERCET_FEATURE("avxvnni");
  TERCET_FEATURE("avx512f");
  TERCET_FEATURE("avx512bw");
  TERCET_FEATURE("avx512vl");
  TERCET_FEATURE("avx512vnni");
  TERCET_FEATURE("avx512bf16");
#undef TERCET_FEATURE
#endif
  return features;
}

DeviceInfo this_cpu(std::string backend) {
  DeviceInfo info;
  info.backend = std::move(backend);
  info.name = cpu_name();
  info.kind = backend::DeviceKind::kCpu;
  info.memory_total = static_cast<uint64_t>(memory_total());
  // Knows of control groups; nothing where the system does not say.
  if (const auto free_bytes = available_memory()) info.memory_free = static_cast<uint64_t>(*free_bytes);
  info.limits.emplace_back("cores", fmt::format("{}", n_usable_cpu()));
  info.features = cpu_features();
  return info;
}

Result<std::vector<DeviceInfo>> list_cpu() {
  DeviceInfo info = this_cpu("cpu");
  info.limits.emplace_back("kernels", std::string(cpu::best_kernels().name));
  return std::vector{std::move(info)};
}

Result<std::vector<DeviceInfo>> list_ref() { return std::vector{this_cpu("ref")}; }

const std::array<BackendEntry, 4> kBackends = {{
    {"cuda", &cuda::kFactory, true, cuda::list_devices, cuda::measure_read_bandwidth,
     "the fastest, where a device has room for the model", nullptr, cuda::measure_arithmetic},
    {"wgpu", &wgpu::kFactory, false, wgpu::list_devices, wgpu::measure_read_bandwidth,
     "any GPU with a driver for Vulkan, Metal or D3D12; WebGPU does not tell its memory, so it is picked only by name",
     "TERCET_WGPU_ADAPTER", wgpu::measure_arithmetic},
    {"cpu", &cpu::kFactory, true, list_cpu, nullptr, "runs wherever the model fits into memory", nullptr,
     cpu::measure_arithmetic},
    {"ref", &ref::kFactory, false, list_ref, nullptr, "the definition of right: slow, and picked only by name"},
}};

}  // namespace

std::span<const BackendEntry> backends() { return kBackends; }

Demand demand_of(const Common& common) {
  Demand demand;
  demand.backend = common.backend;
  demand.device = common.device;
  if (common.n_ctx) demand.ctx = static_cast<int>(*common.n_ctx);
  demand.options.precision = common.precision();
  demand.options.n_thread = common.threads();
  demand.options.max_sequence = 1;
  return demand;
}

}  // namespace tercet::cli
