// Takes the place of the WebGPU backend in a build without wgpu-native.
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

tl::unexpected<Error> absent() {
  return error(Code::kDevice, "wgpu: this build has no WebGPU, want a build with wgpu-native (TERCET_WGPU=on)");
}

backend::Footprint footprint(const model::Model&, const backend::Options&) { return {}; }

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model>, const backend::Options&) {
  return absent();
}

}  // namespace

const backend::Factory kFactory = {"wgpu", 1, footprint, make};

Result<std::vector<backend::DeviceInfo>> list_devices() { return absent(); }

Status check_device(int) { return absent(); }

Result<double> measure_read_bandwidth(int) { return absent(); }

Result<backend::Arithmetic> measure_arithmetic(int, int) { return absent(); }

}  // namespace tercet::wgpu
