// Owns the kernel behind measure_read_bandwidth(): bandwidth.cu.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tercet::cuda {

// Reads n_byte (a multiple of 16) at `data` with n_group blocks of threads; *sink is written where the sum of all words
// is 1, so that nothing is left out.
cudaError_t read_sum(const void* data, int64_t n_byte, uint32_t* sink, int n_group, cudaStream_t stream);

}  // namespace tercet::cuda
