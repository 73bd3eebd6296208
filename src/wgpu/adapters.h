// Owns the contact with wgpu-native's instance: the handles that free themselves, and the adapters in the order in which
// `--device N` counts them.
#pragma once

#include <webgpu/webgpu.h>
#include <webgpu/wgpu.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace tercet::wgpu {

template <typename T, void (*kRelease)(T)>
struct Release {
  void operator()(T handle) const { kRelease(handle); }
};
template <typename T, void (*kRelease)(T)>
using Handle = std::unique_ptr<std::remove_pointer_t<T>, Release<T, kRelease>>;

using Adapter = Handle<WGPUAdapter, wgpuAdapterRelease>;
using Device = Handle<WGPUDevice, wgpuDeviceRelease>;
using Queue = Handle<WGPUQueue, wgpuQueueRelease>;
using Buffer = Handle<WGPUBuffer, wgpuBufferRelease>;
using BindGroup = Handle<WGPUBindGroup, wgpuBindGroupRelease>;
using BindGroupLayout = Handle<WGPUBindGroupLayout, wgpuBindGroupLayoutRelease>;
using Pipeline = Handle<WGPUComputePipeline, wgpuComputePipelineRelease>;

std::string text(WGPUStringView view);
WGPUStringView view(std::string_view text);

// The process's one instance, which stays: drivers that are unloaded and loaded again some fifty times are no longer found.
// Errors: kDevice.
Result<WGPUInstance> instance();

// Vulkan, Metal and D3D12, never OpenGL. Errors: kDevice if there is none.
Result<std::vector<Adapter>> find_adapters(WGPUInstance instance);

}  // namespace tercet::wgpu
