// read_sum   s = sum of the 32-bit words of a buffer, by each thread for itself
//   launch: any number of blocks of 512 threads, 16 bytes a load, 8 loads in flight; no shared memory; integer sums
//   cost: reads the buffer once; bound by the memory, which is what it measures
#include <cuda_runtime.h>

#include "cuda/bandwidth.h"

namespace tercet::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kUnroll = 8;

__device__ uint32_t sum(uint4 x) { return x.x + x.y + x.z + x.w; }

__global__ void __launch_bounds__(kThreads) read_sum_kernel(const uint4* data, int64_t n, uint32_t* sink) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  uint32_t total = 0;
  for (; i + (kUnroll - 1) * stride < n; i += kUnroll * stride) {
    uint4 x[kUnroll];
#pragma unroll
    for (int j = 0; j < kUnroll; ++j) x[j] = __ldcs(data + i + j * stride);
#pragma unroll
    for (int j = 0; j < kUnroll; ++j) total += sum(x[j]);
  }
  for (; i < n; i += stride) total += sum(__ldcs(data + i));
  if (total == 1) *sink = total;
}

}  // namespace

cudaError_t read_sum(const void* data, int64_t n_byte, uint32_t* sink, int n_group, cudaStream_t stream) {
  read_sum_kernel<<<static_cast<unsigned>(n_group), kThreads, 0, stream>>>(static_cast<const uint4*>(data), n_byte / 16,
                                                                           sink);
  return cudaGetLastError();
}

}  // namespace tercet::cuda
