// Owns how the CUDA runtime's errors become ours.
#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

#include "base/result.h"

namespace tercet::cuda {

// `what` is what was being done: "copying weights". kOutOfMemory for the device's memory, else kDevice. After a fault on
// the device (an illegal address, an uncorrectable memory error, a launch that took too long) every later call of this
// process fails too, and the message says so.
[[nodiscard]] tl::unexpected<Error> cuda_error(std::string_view what, cudaError_t status);

// For RETURN_IF_ERROR.
[[nodiscard]] inline Status check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) [[likely]]
    return {};
  return cuda_error(what, status);
}

}  // namespace tercet::cuda
