// Owns the kernel behind measure_arithmetic(): arithmetic.cu.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tercet::cuda {

// The products of n_round rounds by n_group blocks of threads, each kFlopsARound of operations a round; *sink is written where
// the sum of all is 1, so that nothing is left out.
inline constexpr double kFlopsARound = 8.0 * 8 * 2 * 16 * 16 * 8;  // warps, sums, and m16n8k16
cudaError_t multiply(int n_round, float* sink, int n_group, cudaStream_t stream);

}  // namespace tercet::cuda
