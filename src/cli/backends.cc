#include "cli/backends.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/cpu_info.h"
#include "base/memory.h"
#include "base/text.h"
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
  info.memory_free = static_cast<uint64_t>(memory_available());
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

// Best first. `auto` picks the first that has a factory.
const std::array<BackendEntry, 4> kBackends = {{
    {"cuda", nullptr, cuda::list_devices, "this version lists CUDA devices and runs no model on them"},
    {"wgpu", nullptr, wgpu::list_devices, "this version lists WebGPU adapters and runs no model on them"},
    {"cpu", &cpu::kFactory, list_cpu, "the fastest backend of this version"},
    {"ref", &ref::kFactory, list_ref, "the definition of right: slow, and picked only by name"},
}};

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// NAME matches where it is a part of the device's name, in any case.
bool contains(std::string_view text, std::string_view part) {
  for (size_t i = 0; i + part.size() <= text.size(); ++i)
    if (same_letters(text.substr(i, part.size()), part)) return true;
  return false;
}

Status check_device(const BackendEntry& entry, const std::string& wanted) {
  ASSIGN_OR_RETURN(const std::vector<DeviceInfo> devices, entry.devices());
  if (wanted.empty()) return {};
  int index = -1;
  const char* end = wanted.data() + wanted.size();
  const auto parsed = std::from_chars(wanted.data(), end, index);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  for (const DeviceInfo& device : devices)
    if (is_number ? device.index == index : contains(device.name, wanted)) return {};
  return with_hint(
      error(Code::kDevice, "--device: {}, want one of backend {}'s: {}", printable(wanted), entry.name,
            devices.size() == 1 ? fmt::format("0, {}", devices[0].name) : fmt::format("0..{}", devices.size() - 1)),
      "tercet devices");
}

}  // namespace

std::span<const BackendEntry> backends() { return kBackends; }

const BackendEntry& best_backend() {
  return *std::ranges::find_if(kBackends, [](const BackendEntry& entry) { return entry.factory != nullptr; });
}

Result<BackendChoice> choose_backend(const Common& common) {
  const bool is_auto = common.backend == "auto";
  const auto named = std::ranges::find(kBackends, common.backend, &BackendEntry::name);
  const BackendEntry& entry = is_auto ? best_backend() : *named;
  RETURN_IF_ERROR(check_device(entry, common.device));
  if (entry.factory == nullptr)
    return with_hint(error(Code::kUnsupported, "--backend: {}, want cpu or ref: {}", entry.name, entry.why_auto),
                     "--backend cpu");
  return BackendChoice{&entry, is_auto ? fmt::format("backend {}: {}", entry.name, entry.why_auto) : ""};
}

}  // namespace tercet::cli
