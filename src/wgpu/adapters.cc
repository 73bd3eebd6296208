#include "wgpu/adapters.h"

#include <cstdlib>

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

}  // namespace

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
  std::vector<Adapter> adapters;
  for (const WGPUAdapter adapter : raw) adapters.emplace_back(adapter);
  if (adapters.empty())
    return with_hint(
        error(Code::kDevice, "wgpu: no adapter found, want a GPU with a Vulkan driver"),
        "apt-get install libvulkan1 mesa-vulkan-drivers has the free drivers, and one that computes on the CPU");
  return adapters;
}

}  // namespace tercet::wgpu
