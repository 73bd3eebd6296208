// Takes the place of the CUDA backend in a build without nvcc.
#include "cuda/cuda.h"

namespace tercet::cuda {
namespace {

tl::unexpected<Error> absent() {
  return with_hint(error(Code::kDevice, "cuda: this build has no CUDA, want a build with nvcc (TERCET_CUDA=on)"),
                   "--backend cpu runs without one");
}

backend::Footprint footprint(const model::Model&, const backend::Options&) { return {}; }

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model>, const backend::Options&) {
  return absent();
}

}  // namespace

const backend::Factory kFactory = {"cuda", 1, footprint, make};

Result<std::vector<backend::DeviceInfo>> list_devices() { return absent(); }

Status check_device(int) { return absent(); }

Result<double> measure_read_bandwidth(int) { return absent(); }

Result<backend::Arithmetic> measure_arithmetic(int, int) { return absent(); }

}  // namespace tercet::cuda
