// Owns attention for any cache and any size of head that the program has: what the exact mode runs.
//
//   launch: a block of 128 threads for a head of a row   shared: q, 128 weights
//   sum: f32; 128 positions at a time, each position's score by one thread over d in order, the weighted values over the
//   positions in order: the same bits for a row whatever else is in the step
//   bound: about (d_head + 128) 2^-24 of the sums of magnitudes, and the rescaling's 2^-24 a segment
#pragma once

#include "cuda/kernels/heads.cuh"

namespace tercet::cuda {

inline constexpr int kGeneralThread = 128;

struct GeneralAttention {
  StepInput in;
  Kv kv;
  int page_stride, layer, n_head, n_head_kv;
  const float* qkv;  // after RoPE
  float* a;
  float scale;  // 1 / sqrt(d_head)
};

template <class T, int kHead>
__global__ void __launch_bounds__(kGeneralThread) attend_general_kernel(GeneralAttention p) {
  constexpr int kSegment = kGeneralThread;
  constexpr int kOut = (kHead + kSegment - 1) / kSegment;  // values a thread
  __shared__ float q[kHead];
  __shared__ float weight[kSegment];
  __shared__ float scratch[2][kGeneralThread / 32];
  grid_launch_next();
  grid_wait();
  const int head = blockIdx.x;
  const int r = blockIdx.y;
  const int i = threadIdx.x;
  const int position = p.in.position[r];
  float* a = p.a + (int64_t{r} * p.n_head + head) * kHead;
  float out[kOut] = {};
  const int kv_head = head / (p.n_head / p.n_head_kv);
  const int32_t* pages = p.in.page_table + int64_t{p.in.page_row[r]} * p.page_stride;
  const float* from = p.qkv + int64_t{r} * (p.n_head + 2 * p.n_head_kv) * kHead + head * kHead;
  for (int d = i; d < kHead; d += kSegment) q[d] = __ldcg(from + d) * p.scale;
  __syncthreads();

  float largest = -INFINITY;
  float total = 0;
  for (int begin = 0; begin <= position; begin += kSegment) {
    const int at = begin + i;
    float score = -INFINITY;
    if (at <= position) {
      const T* key = page_keys<T>(p.kv, p.n_head_kv, kHead, p.layer, pages[at / kPageSize], kv_head) + at % kPageSize * kHead;
      score = 0;
      for (int d = 0; d < kHead; ++d) score = fmaf(q[d], load_kv(key + d), score);
    }
    const float segment_max = warp_max(score);
    if (i % 32 == 0) scratch[0][i / 32] = segment_max;
    __syncthreads();
    float now = largest;
    for (int w = 0; w < kGeneralThread / 32; ++w) now = fmaxf(now, scratch[0][w]);
    const float e = at <= position ? expf(score - now) : 0.0F;
    weight[i] = e;
    const float sum = block_sum(e, scratch[1], kGeneralThread / 32);  // also a barrier: weights are there
    const float keep = expf(largest - now);
    total = total * keep + sum;
    largest = now;
    const int n = min(kSegment, position + 1 - begin);
#pragma unroll
    for (int o = 0; o < kOut; ++o) {
      const int d = i + o * kSegment;
      if (d >= kHead) break;
      float acc = out[o] * keep;
      for (int j = 0; j < n; ++j) {
        const int pos = begin + j;
        const T* keys = page_keys<T>(p.kv, p.n_head_kv, kHead, p.layer, pages[pos / kPageSize], kv_head);
        acc = fmaf(weight[j], load_kv(keys + kPageSize * kHead + d * kPageSize + pos % kPageSize), acc);
      }
      out[o] = acc;
    }
    __syncthreads();
  }
#pragma unroll
  for (int o = 0; o < kOut; ++o) {
    const int d = i + o * kSegment;
    if (d < kHead) a[d] = out[o] / total;
  }
}

}  // namespace tercet::cuda
