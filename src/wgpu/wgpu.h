// Owns what the rest of Tercet sees of WebGPU. This version lists the adapters; it runs no model on them.
#pragma once

#include <vector>

#include "backend/device.h"
#include "base/result.h"

namespace tercet::wgpu {

// The adapters of Vulkan, Metal and D3D12 (never OpenGL), in wgpu-native's order; the same GPU may come once for each.
// Memory is not told by WebGPU.
// Errors: kDevice if the build has no WebGPU, or there is no adapter.
Result<std::vector<backend::DeviceInfo>> list_devices();

}  // namespace tercet::wgpu
