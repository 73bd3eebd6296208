#include <string_view>
#include <utility>

#include "base/memory.h"
#include "wgpu/adapters.h"
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

backend::DeviceKind kind(WGPUAdapterType type) {
  switch (type) {
    case WGPUAdapterType_DiscreteGPU: return backend::DeviceKind::kDiscrete;
    case WGPUAdapterType_IntegratedGPU: return backend::DeviceKind::kIntegrated;
    case WGPUAdapterType_CPU: return backend::DeviceKind::kSoftware;
    default: return backend::DeviceKind::kUnknown;
  }
}

std::string_view api_name(WGPUBackendType type) {
  switch (type) {
    case WGPUBackendType_Vulkan: return "vulkan";
    case WGPUBackendType_Metal: return "metal";
    case WGPUBackendType_D3D12: return "d3d12";
    default: return "unknown";
  }
}

// PCI vendor ids, and the two that Khronos gave to what is on no bus.
std::string vendor_name(uint32_t id) {
  static constexpr std::pair<uint32_t, std::string_view> kVendors[] = {
      {0x10de, "nvidia"},   {0x1002, "amd"},         {0x8086, "intel"}, {0x13b5, "arm"},       {0x106b, "apple"},
      {0x5143, "qualcomm"}, {0x1010, "imagination"}, {0x10005, "mesa"}, {0x1414, "microsoft"},
  };
  for (const auto& [known, name] : kVendors)
    if (known == id) return std::string(name);
  return fmt::format("{:#x}", id);
}

// What a compute program may care about; the spelling is WebGPU's, and wgpu's where the feature is its own.
std::vector<std::string> features(WGPUAdapter adapter) {
  static constexpr std::pair<uint32_t, std::string_view> kFeatures[] = {
      {WGPUFeatureName_ShaderF16, "shader-f16"},
      {WGPUFeatureName_Subgroups, "subgroups"},
      {WGPUFeatureName_TimestampQuery, "timestamp-query"},
      {WGPUNativeFeature_Subgroup, "subgroups"},
      {WGPUNativeFeature_SubgroupBarrier, "subgroup-barrier"},
      {WGPUNativeFeature_TimestampQueryInsidePasses, "timestamp-query-inside-passes"},
      {WGPUNativeFeature_Immediates, "immediates"},
      {WGPUNativeFeature_MappablePrimaryBuffers, "mappable-primary-buffers"},
      {WGPUNativeFeature_BufferBindingArray, "buffer-binding-array"},
      {WGPUNativeFeature_ShaderI16, "shader-i16"},
      {WGPUNativeFeature_ShaderInt64, "shader-i64"},
      {WGPUNativeFeature_CooperativeMatrix, "cooperative-matrix"},
  };
  WGPUSupportedFeatures supported{};
  wgpuAdapterGetFeatures(adapter, &supported);
  std::vector<std::string> names;
  for (const auto& [feature, name] : kFeatures) {
    bool found = false;
    for (size_t i = 0; i < supported.featureCount; ++i)
      found = found || static_cast<uint32_t>(supported.features[i]) == feature;
    const bool told = !names.empty() && names.back() == name;
    if (found && !told) names.emplace_back(name);
  }
  wgpuSupportedFeaturesFreeMembers(supported);
  return names;
}

Result<backend::DeviceInfo> describe(WGPUAdapter adapter, int index) {
  WGPULimits limits{};
  if (wgpuAdapterGetLimits(adapter, &limits) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: adapter {}: no answer about its limits, want a working driver", index);
  WGPUAdapterInfo raw{};
  if (wgpuAdapterGetInfo(adapter, &raw) != WGPUStatus_Success)
    return error(Code::kDevice, "wgpu: adapter {}: no answer about itself, want a working driver", index);
  backend::DeviceInfo info;
  info.backend = "wgpu";
  info.index = index;
  info.name = text(raw.device);
  info.vendor = vendor_name(raw.vendorID);
  info.kind = kind(raw.adapterType);
  info.limits = {
      {"api", std::string(api_name(raw.backendType))},
      {"driver", text(raw.description)},
      {"maxBufferSize", std::to_string(limits.maxBufferSize)},
      {"maxStorageBufferBindingSize", std::to_string(limits.maxStorageBufferBindingSize)},
      {"maxStorageBuffersPerShaderStage", std::to_string(limits.maxStorageBuffersPerShaderStage)},
      {"maxComputeWorkgroupStorageSize", std::to_string(limits.maxComputeWorkgroupStorageSize)},
      {"maxComputeInvocationsPerWorkgroup", std::to_string(limits.maxComputeInvocationsPerWorkgroup)},
      {"maxComputeWorkgroupsPerDimension", std::to_string(limits.maxComputeWorkgroupsPerDimension)},
  };
  // Left at 0 by drivers that do not tell.
  if (raw.subgroupMaxSize > 0) {
    info.limits.emplace_back("subgroupMinSize", std::to_string(raw.subgroupMinSize));
    info.limits.emplace_back("subgroupMaxSize", std::to_string(raw.subgroupMaxSize));
  }
  if (info.kind == backend::DeviceKind::kSoftware) {
    info.memory_total = static_cast<uint64_t>(memory_total());
    if (const auto free_bytes = available_memory()) info.memory_free = static_cast<uint64_t>(*free_bytes);
  }
  wgpuAdapterInfoFreeMembers(raw);
  info.features = features(adapter);
  return info;
}

}  // namespace

Result<std::vector<backend::DeviceInfo>> list_devices() {
  ASSIGN_OR_RETURN(const WGPUInstance of, instance());
  ASSIGN_OR_RETURN(const std::vector<Adapter> adapters, find_adapters(of));
  std::vector<backend::DeviceInfo> devices;
  for (const Adapter& adapter : adapters) {
    ASSIGN_OR_RETURN(auto info, describe(adapter.get(), static_cast<int>(devices.size())));
    devices.push_back(std::move(info));
  }
  return devices;
}

Status check_device(int device) {
  ASSIGN_OR_RETURN(const WGPUInstance of, instance());
  ASSIGN_OR_RETURN(const std::vector<Adapter> adapters, find_adapters(of));
  if (device < 0 || device >= std::ssize(adapters))
    return error(Code::kDevice, "wgpu: device {}, want 0..{}", device, adapters.size() - 1);
  return {};
}

}  // namespace tercet::wgpu
