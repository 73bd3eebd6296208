// Owns the way from the file's blocks to the device's layouts (tensor.h), and how large a weight can be. Plain functions
// that launch kernels: repack.cu.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tercet::cuda {

// All on device memory. `largest` holds the bits of a float >= 0, whose order is that of the floats: the largest |weight|
// that the blocks could hold, which each call raises. Scales that are not finite are left out of it.

// Q6_K: 210 bytes a block at `blocks` (aligned to 2); 192, 16 and 2 bytes a block in the planes. |d| * 127 * 32.
cudaError_t repack_q6_k(const uint8_t* blocks, int64_t n_block, uint8_t* quants, int8_t* scales, uint16_t* d,
                        uint32_t* largest, cudaStream_t stream);

// Q8_0: 8 blocks of 34 bytes for each of n_super at `blocks` (aligned to 2); 256 and 16 bytes in the planes. |d| * 127.
cudaError_t repack_q8_0(const uint8_t* blocks, int64_t n_super, uint8_t* quants, uint16_t* d, uint32_t* largest,
                        cudaStream_t stream);

// Q4_K stays as it is: only the largest weight, max(|d| * 63 * 15, |dmin| * 63). `blocks` is aligned to 4.
cudaError_t measure_q4_k(const uint8_t* blocks, int64_t n_block, uint32_t* largest, cudaStream_t stream);

}  // namespace tercet::cuda
