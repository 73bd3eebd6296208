// Owns what happens to one head of q or k between its projection and attention, and where the cache keeps a position.
#pragma once

#include "cuda/context.h"
#include "cuda/kernels/device.cuh"

namespace tercet::cuda {

// One head's value i = lane + 32 j in v[j], j < d / 32: its RMS norm, then RoPE in NEOX's pairing (i with i + d / 2). The
// norm's weights and the angles lie as the values do.
//   launch: one warp   sum: f32, a fixed tree
template <int kPer>
__device__ __forceinline__ void turn_head(float (&v)[kPer], const float (&norm)[kPer], float eps,
                                          const float (&cosine)[kPer / 2], const float (&sine)[kPer / 2]) {
  float sum = 0;
#pragma unroll
  for (int j = 0; j < kPer; ++j) sum = fmaf(v[j], v[j], sum);
  const float scale = 1.0F / sqrtf(warp_sum(sum) / (32 * kPer) + eps);
#pragma unroll
  for (int j = 0; j < kPer; ++j) v[j] = v[j] * scale * norm[j];
#pragma unroll
  for (int j = 0; j < kPer / 2; ++j) {
    const float x = v[j];
    const float y = v[j + kPer / 2];
    v[j] = x * cosine[j] - y * sine[j];
    v[j + kPer / 2] = y * cosine[j] + x * sine[j];
  }
}

// Keys of one head of one page, [page_size, d]; its values, [d, page_size], follow.
template <class T>
__device__ __forceinline__ T* page_keys(const Kv& kv, int n_head_kv, int d, int layer, int page, int head) {
  const int64_t index = (int64_t{layer} * kv.n_page + page) * n_head_kv + head;
  return reinterpret_cast<T*>(kv.data) + index * 2 * kPageSize * d;
}

__device__ __forceinline__ void store_kv(half* to, float value) { *to = __float2half_rn(value); }
__device__ __forceinline__ void store_kv(float* to, float value) { *to = value; }
__device__ __forceinline__ float load_kv(const half* from) { return __half2float(*from); }
__device__ __forceinline__ float load_kv(const float* from) { return *from; }

// Writes one head of k and v at a position.
template <class T, int kPer>
__device__ __forceinline__ void append(T* keys, int position, const float (&k)[kPer], const float* v) {
  const int lane = threadIdx.x % 32;
  constexpr int d = 32 * kPer;
  T* values = keys + kPageSize * d;
  const int at = position % kPageSize;
#pragma unroll
  for (int j = 0; j < kPer; ++j) {
    store_kv(keys + at * d + lane + 32 * j, k[j]);
    store_kv(values + (lane + 32 * j) * kPageSize + at, __ldcg(v + lane + 32 * j));
  }
}

}  // namespace tercet::cuda
