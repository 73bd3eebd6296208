#include "wgpu/adapters.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <utility>

namespace tercet::wgpu {
namespace {

// Not OpenGL: what runs there lacks storage buffers of a useful size.
constexpr WGPUInstanceBackend kBackends =
    WGPUInstanceBackend_Vulkan | WGPUInstanceBackend_Metal | WGPUInstanceBackend_DX12;

// Mesa's layer that sorts GPUs asks a Wayland display for each of them, and libwayland writes to stderr that a system
// without a desktop has none. The variable is how the layer lets itself be switched off; whoever set it is heard.
void silence_device_select() {
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  if (runtime_dir == nullptr || *runtime_dir == '\0') ::setenv("NODEVICE_SELECT", "1", 0);
}

WGPUInstance make_instance() {
  silence_device_select();
  // The instance, too, is told to leave OpenGL alone: otherwise it loads EGL, whose drivers leak.
  WGPUInstanceExtras extras{};
  extras.chain.sType = static_cast<WGPUSType>(WGPUSType_InstanceExtras);
  extras.backends = kBackends;
  WGPUInstanceDescriptor descriptor{};
  descriptor.nextInChain = &extras.chain;
  return wgpuCreateInstance(&descriptor);
}

std::atomic<uint64_t> taken = 0;

backend::DeviceKind told_kind(WGPUAdapterType type) {
  switch (type) {
    case WGPUAdapterType_DiscreteGPU: return backend::DeviceKind::kDiscrete;
    case WGPUAdapterType_IntegratedGPU: return backend::DeviceKind::kIntegrated;
    case WGPUAdapterType_CPU: return backend::DeviceKind::kSoftware;
    default: return backend::DeviceKind::kUnknown;
  }
}

// wgpu-native does not say why it finds nothing. It asks for the loader by this name.
tl::unexpected<Error> no_adapter() {
#if defined(__linux__)
  constexpr const char* kLoader = "libvulkan.so.1";
  void* loader = ::dlopen(kLoader, RTLD_NOW | RTLD_LOCAL);
  if (loader == nullptr)
    return with_hint(error(Code::kDevice, "wgpu: no Vulkan loader ({}), want one and a GPU's driver", kLoader),
                     "apt-get install libvulkan1, and the GPU's driver");
  ::dlclose(loader);
#endif
  return with_hint(
      error(Code::kDevice, "wgpu: no adapter found, want a GPU with a Vulkan driver"),
      "apt-get install libvulkan1 mesa-vulkan-drivers has the free drivers, and one that computes on the CPU");
}

}  // namespace

uint64_t bytes_in_buffers() { return taken; }
void count_buffer(WGPUBuffer made) { taken += wgpuBufferGetSize(made); }
void release_buffer(WGPUBuffer buffer) {
  taken -= wgpuBufferGetSize(buffer);
  wgpuBufferRelease(buffer);
}

std::string text(WGPUStringView view) {
  if (view.data == nullptr) return {};
  return view.length == WGPU_STRLEN ? std::string(view.data) : std::string(view.data, view.length);
}

WGPUStringView view(std::string_view text) { return {text.data(), text.size()}; }

Result<WGPUInstance> instance() {
  static const WGPUInstance kInstance = make_instance();
  if (kInstance == nullptr) return error(Code::kDevice, "wgpu: wgpu-native made no instance, want one");
  return kInstance;
}

Result<std::vector<Adapter>> find_adapters(WGPUInstance instance) {
  WGPUInstanceEnumerateAdapterOptions options{};
  options.backends = kBackends;
  std::vector<WGPUAdapter> raw(wgpuInstanceEnumerateAdapters(instance, &options, nullptr));
  if (!raw.empty()) raw.resize(wgpuInstanceEnumerateAdapters(instance, &options, raw.data()));
  std::vector<std::pair<int, Adapter>> ranked;
  for (const WGPUAdapter adapter : raw) {
    Adapter owned(adapter);
    const auto info = info_of(adapter);
    const auto kind = info ? kind_of(info->facts()) : backend::DeviceKind::kUnknown;
    ranked.emplace_back(backend::device_rank(kind), std::move(owned));
  }
  if (ranked.empty()) return no_adapter();
  std::ranges::stable_sort(ranked, std::greater(), [](const auto& entry) { return entry.first; });
  std::vector<Adapter> adapters;
  for (auto& [rank, adapter] : ranked) adapters.push_back(std::move(adapter));
  return adapters;
}

Result<AdapterInfo> info_of(WGPUAdapter adapter) {
  WGPUAdapterInfo raw{};
  if (wgpuAdapterGetInfo(adapter, &raw) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: an adapter gives no answer about itself, want a working driver");
  AdapterInfo info;
  info.device = text(raw.device);
  info.driver = text(raw.description);
  info.vendor_id = raw.vendorID;
  info.api = raw.backendType;
  info.subgroup_least = raw.subgroupMinSize;
  info.subgroup_most = raw.subgroupMaxSize;
  info.told_kind = told_kind(raw.adapterType);
  wgpuAdapterInfoFreeMembers(raw);
  return info;
}

}  // namespace tercet::wgpu
