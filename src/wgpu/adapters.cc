#include "wgpu/adapters.h"

#include <cstdlib>

namespace tercet::wgpu {
namespace {

// Not OpenGL: what runs there lacks storage buffers of a useful size.
constexpr WGPUInstanceBackend kBackends =
    WGPUInstanceBackend_Vulkan | WGPUInstanceBackend_Metal | WGPUInstanceBackend_DX12;

}  // namespace

std::string text(WGPUStringView view) {
  if (view.data == nullptr) return {};
  return view.length == WGPU_STRLEN ? std::string(view.data) : std::string(view.data, view.length);
}

WGPUStringView view(std::string_view text) { return {text.data(), text.size()}; }

Result<Instance> make_instance() {
  // Mesa's drivers look for a display, and where there is none their library says so on stderr, which is ours.
  static const int kNoDisplay = setenv("XDG_RUNTIME_DIR", "/tmp", 0);
  (void)kNoDisplay;
  // The instance, too, is told to leave OpenGL alone: otherwise it loads EGL, whose drivers leak.
  WGPUInstanceExtras extras{};
  extras.chain.sType = static_cast<WGPUSType>(WGPUSType_InstanceExtras);
  extras.backends = kBackends;
  WGPUInstanceDescriptor descriptor{};
  descriptor.nextInChain = &extras.chain;
  Instance instance(wgpuCreateInstance(&descriptor));
  if (!instance) return error(Code::kDevice, "wgpu: wgpu-native made no instance, want one");
  return instance;
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
