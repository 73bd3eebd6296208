// Takes the place of the WebGPU backend in a build without wgpu-native.
#include "wgpu/wgpu.h"

namespace tercet::wgpu {

Result<std::vector<backend::DeviceInfo>> list_devices() {
  return error(Code::kDevice, "wgpu: this build has no WebGPU, want a build with wgpu-native (TERCET_WGPU=on)");
}

}  // namespace tercet::wgpu
