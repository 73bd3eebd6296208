// Owns how the CUDA runtime's errors become ours.
#pragma once

#include <cuda_runtime_api.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet::cuda {

// `what` is what was being done: "copying weights". kOutOfMemory for the device's memory, else kDevice. After a fault on
// the device (an illegal address, an uncorrectable memory error, a launch that took too long) every later call of this
// process fails too, and the message says so.
[[nodiscard]] tl::unexpected<Error> cuda_error(std::string_view what, cudaError_t status);

// CUDA writes versions as 1000 * major + 10 * minor: "12.4".
[[nodiscard]] std::string version_text(int version);

// Whether there is something to run on: `driver_version` as cudaDriverGetVersion has it (0: no driver), `counted` and
// `n_device` as cudaGetDeviceCount has them. Errors: kDevice, for no driver, one older than this build wants, and no device.
[[nodiscard]] Status check_runtime(int driver_version, cudaError_t counted, int n_device);

// For RETURN_IF_ERROR.
[[nodiscard]] inline Status check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) [[likely]]
    return {};
  return cuda_error(what, status);
}

}  // namespace tercet::cuda
