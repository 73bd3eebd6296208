#include <string_view>
#include <utility>

#include "base/memory.h"
#include "wgpu/adapters.h"
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

std::string_view api_name(WGPUBackendType type) {
  switch (type) {
    case WGPUBackendType_Vulkan: return "vulkan";
    case WGPUBackendType_Metal: return "metal";
    case WGPUBackendType_D3D12: return "d3d12";
    default: return "unknown";
  }
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
  ASSIGN_OR_RETURN(const AdapterInfo told, info_of(adapter));
  const Quirks& quirks = quirks_of(told.facts());
  backend::DeviceInfo info;
  info.backend = "wgpu";
  info.index = index;
  info.name = told.device;
  info.vendor = vendor_of(told.facts());
  info.kind = kind_of(told.facts());
  info.limits = {
      {"api", std::string(api_name(told.api))},
      {"driver", told.driver},
      {"maxBufferSize", std::to_string(limits.maxBufferSize)},
      {"maxStorageBufferBindingSize", std::to_string(limits.maxStorageBufferBindingSize)},
      {"maxStorageBuffersPerShaderStage", std::to_string(limits.maxStorageBuffersPerShaderStage)},
      {"maxComputeWorkgroupStorageSize", std::to_string(limits.maxComputeWorkgroupStorageSize)},
      {"maxComputeInvocationsPerWorkgroup", std::to_string(limits.maxComputeInvocationsPerWorkgroup)},
      {"maxComputeWorkgroupsPerDimension", std::to_string(limits.maxComputeWorkgroupsPerDimension)},
  };
  // Left at 0 by drivers that do not tell.
  if (told.subgroup_most > 0) {
    info.limits.emplace_back("subgroupMinSize", std::to_string(told.subgroup_least));
    info.limits.emplace_back("subgroupMaxSize", std::to_string(told.subgroup_most));
  } else if (quirks.subgroup_most > 0) {
    info.limits.emplace_back("subgroups-known",
                             fmt::format("{} to {} lanes", quirks.subgroup_least, quirks.subgroup_most));
  }
  if (!quirks.note.empty()) info.limits.emplace_back("note", std::string(quirks.note));
  if (info.kind == backend::DeviceKind::kSoftware) {
    info.memory_total = static_cast<uint64_t>(memory_total());
    if (const auto free_bytes = available_memory()) info.memory_free = static_cast<uint64_t>(*free_bytes);
  }
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
