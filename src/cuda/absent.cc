// Takes the place of the CUDA backend in a build without nvcc.
#include "cuda/cuda.h"

namespace tercet::cuda {

Result<std::vector<backend::DeviceInfo>> list_devices() {
  return error(Code::kDevice, "cuda: this build has no CUDA, want a build with nvcc (TERCET_CUDA=on)");
}

}  // namespace tercet::cuda
