// Owns the contact with wgpu-native's instance: the handles that free themselves, and the adapters in the order in which
// `--device N` counts them.
#pragma once

#include <webgpu/webgpu.h>
#include <webgpu/wgpu.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "wgpu/quirks.h"

namespace tercet::wgpu {

template <typename T, void (*kRelease)(T)>
struct Release {
  void operator()(T handle) const { kRelease(handle); }
};
template <typename T, void (*kRelease)(T)>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Release<T, kRelease>>;

// Of all buffers that there are in this process, for errors.
uint64_t bytes_in_buffers();
void count_buffer(WGPUBuffer made);
void release_buffer(WGPUBuffer buffer);

using Adapter = Handle<WGPUAdapter, wgpuAdapterRelease>;
using Device = Handle<WGPUDevice, wgpuDeviceRelease>;
using Queue = Handle<WGPUQueue, wgpuQueueRelease>;
using Buffer = Handle<WGPUBuffer, release_buffer>;
using BindGroup = Handle<WGPUBindGroup, wgpuBindGroupRelease>;
using BindGroupLayout = Handle<WGPUBindGroupLayout, wgpuBindGroupLayoutRelease>;
using Pipeline = Handle<WGPUComputePipeline, wgpuComputePipelineRelease>;

std::string text(WGPUStringView view);
WGPUStringView view(std::string_view text);

// The process's one instance, which stays: drivers that are unloaded and loaded again some fifty times are no longer found.
// Errors: kDevice.
Result<WGPUInstance> instance();

// What an adapter says of itself, in texts that stay.
struct AdapterInfo {
  std::string device, driver;
  uint32_t vendor_id = 0;
  WGPUBackendType api = WGPUBackendType_Undefined;
  uint32_t subgroup_least = 0, subgroup_most = 0;  // 0: it does not tell
  backend::DeviceKind told_kind = backend::DeviceKind::kUnknown;
  AdapterFacts facts() const { return {vendor_id, device, driver, told_kind}; }
};
// Errors: kDevice.
Result<AdapterInfo> info_of(WGPUAdapter adapter);

// Vulkan, Metal and D3D12, never OpenGL: the discrete GPUs, then the integrated, software last, each in wgpu-native's order.
// Errors: kDevice if there is none, and then whether there is a Vulkan loader.
Result<std::vector<Adapter>> find_adapters(WGPUInstance instance);

}  // namespace tercet::wgpu
