// multiply   c += a b on the tensor cores (device.cuh: mma), eight sums a warp, a and b in registers
//   launch: any number of blocks of 8 warps; no memory   sum: f32
//   cost: bound by the tensor cores, whose rate is what it measures
#include "cuda/arithmetic.h"
#include "cuda/kernels/device.cuh"

namespace tercet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSums = 8;  // as many as hide each other's latency
static_assert(kFlopsARound == kThreads / 32.0 * kSums * 2 * 16 * 16 * 8);

// Words of two f16 of 0.5 to 1, other ones in each lane: what is multiplied costs power, and so clock.
__device__ uint32_t word(uint32_t i) { return 0x38003800U | ((i * 2654435761U) & 0x03FF03FFU); }

__global__ void __launch_bounds__(kThreads, 2) multiply_kernel(int n_round, float* sink) {
  uint32_t a[4];
  uint32_t b[kSums][2];
  float c[kSums][4] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = word(4 * threadIdx.x + i);
#pragma unroll
  for (int j = 0; j < kSums; ++j) {
    b[j][0] = word(kThreads * 4 + 2 * (kSums * threadIdx.x + j));
    // Of the other sign, so that sums stay small.
    b[j][1] = word(kThreads * 4 + 2 * (kSums * threadIdx.x + j) + 1) | 0x80008000U;
  }
#pragma unroll 4
  for (int r = 0; r < n_round; ++r) {
#pragma unroll
    for (int j = 0; j < kSums; ++j) mma(c[j], a, b[j][0], b[j][1]);
  }
  float sum = 0;
#pragma unroll
  for (int j = 0; j < kSums; ++j) sum += c[j][0] + c[j][1] + c[j][2] + c[j][3];
  if (sum == 1) *sink = sum;
}

}  // namespace

cudaError_t multiply(int n_round, float* sink, int n_group, cudaStream_t stream) {
  multiply_kernel<<<static_cast<unsigned>(n_group), kThreads, 0, stream>>>(n_round, sink);
  return cudaGetLastError();
}

}  // namespace tercet::cuda
