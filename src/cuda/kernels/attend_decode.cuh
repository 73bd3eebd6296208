// Owns attention for sequences that decode: one row each, f16 keys and values, all heads of a KV head at once.
//
//   launch: a block of 8 warps for (split, KV head, row); a warp takes every eighth 32 positions of its block's share
//   shared: q as f16, [8][d + 32]; then each warp's sums
//   sum: f32; online softmax in powers of two, within a warp over its positions in order, then warps in order, then splits
//   in order, by the last block of a (row, KV head) to finish
//   cost: reads each key and value once; bandwidth-bound. q's and k's norm and RoPE are its prologue: no launch of their own
#pragma once

#include "cuda/kernels/heads.cuh"

namespace tercet::cuda {

inline constexpr int kDecodeWarp = 8;
inline constexpr int kDecodeThread = 32 * kDecodeWarp;
inline constexpr int kDecodeSpan = 32;  // positions that a warp takes at a time

struct DecodeAttention {
  StepInput in;
  Kv kv;
  int page_stride, layer, n_head, n_head_kv;
  float eps;
  const float *q_norm, *k_norm, *cosine, *sine;
  const float* qkv;
  float* heads;  // null, or where a trace finds q, k, v after RoPE: [n_row, d_q + 2 d_kv]
  float* a;
  float* partial;
  int32_t* ticket;
  float q_scale;
};

// q, this step's key and value; or the warps' sums and their factors.
__host__ __device__ constexpr size_t decode_shared_bytes(int d_head) {
  return sizeof(float) * kDecodeWarp * kDecodeGroup * (d_head + 2);
}
template <int kHead>
struct DecodeShared {
  half q[kDecodeGroup][kHead + 32];
  half key[kHead], value[kHead];
};

// A head's values and what turns them, in one warp's registers: all loads before the first use, since each is a trip to the
// second-level cache. What is weights comes before the wait.
template <int kPer>
struct DecodeHead {
  float x[kPer] = {}, norm[kPer];
  float cosine[kPer / 2], sine[kPer / 2];

  __device__ __forceinline__ void load_norm(const float* from) {
#pragma unroll
    for (int j = 0; j < kPer; ++j) norm[j] = __ldg(from + threadIdx.x % 32 + 32 * j);
  }
  __device__ __forceinline__ void load(const float* from, const float* cosines, const float* sines) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < kPer; ++j) x[j] = __ldcg(from + lane + 32 * j);
#pragma unroll
    for (int j = 0; j < kPer / 2; ++j) {
      cosine[j] = __ldcg(cosines + lane + 32 * j);
      sine[j] = __ldcg(sines + lane + 32 * j);
    }
  }
  __device__ __forceinline__ void norm_and_rotate(float eps) { turn_head<kPer>(x, norm, eps, cosine, sine); }
};

// Brings q's heads to shared memory, a warp each, and this step's key and value there and to the cache where `owns_last`.
template <int kHead>
struct DecodePrologue {
  static constexpr int kPer = kHead / 32;
  static_assert(kDecodeGroup == kDecodeWarp);
  DecodeHead<kPer> q, k;
  bool brings_key;

  __device__ __forceinline__ DecodePrologue(const DecodeAttention& p, bool owns_last)
      : brings_key(owns_last && threadIdx.x / 32 == kDecodeWarp - 1) {
    q.load_norm(p.q_norm);
    if (brings_key) k.load_norm(p.k_norm);
  }

  __device__ __forceinline__ void run(const DecodeAttention& p, DecodeShared<kHead>& s, int row, int kv_head,
                                      int position, int page, bool first) {
    const int h = threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    const int group = p.n_head / p.n_head_kv;
    const int64_t width = int64_t{p.n_head + 2 * p.n_head_kv} * kHead;
    const float* from = p.qkv + row * width;
    const float* cosine = p.cosine + row * (kHead / 2);
    const float* sine = p.sine + row * (kHead / 2);
    const float* value = from + (p.n_head + p.n_head_kv + kv_head) * kHead;
    float v[kPer];
    if (h < group) q.load(from + (kv_head * group + h) * kHead, cosine, sine);
    if (brings_key) {
      k.load(from + (p.n_head + kv_head) * kHead, cosine, sine);
#pragma unroll
      for (int j = 0; j < kPer; ++j) v[j] = __ldcg(value + lane + 32 * j);
    }
    if (h < group) q.norm_and_rotate(p.eps);
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      s.q[h][lane + 32 * j] = h < group ? __float2half_rn(q.x[j] * p.q_scale) : half(0);
      if (p.heads != nullptr && first && h < group)
        p.heads[row * width + (kv_head * group + h) * kHead + lane + 32 * j] = q.x[j];
    }
    if (!brings_key) return;
    k.norm_and_rotate(p.eps);
    half* keys = page_keys<half>(p.kv, p.n_head_kv, kHead, p.layer, page, kv_head);
    half* values = keys + kPageSize * kHead;
    const int at = position % kPageSize;
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      const int d = lane + 32 * j;
      s.key[d] = __float2half_rn(k.x[j]);
      s.value[d] = __float2half_rn(v[j]);
      keys[at * kHead + d] = s.key[d];
      values[d * kPageSize + at] = s.value[d];
      if (p.heads == nullptr) continue;
      p.heads[row * width + (p.n_head + kv_head) * kHead + d] = k.x[j];
      p.heads[row * width + (p.n_head + p.n_head_kv + kv_head) * kHead + d] = v[j];
    }
  }
};

// One warp's running softmax over positions. Of lane 4 g + t: out[n] are values 8 n + 2 t, + 1 of head g.
template <int kHead>
struct DecodeState {
  float out[kHead / 8][2] = {};
  float largest = -INFINITY;  // of head g, in powers of two
  float total = 0;            // this lane's share
};

// 32 positions' keys and values in a warp's registers. Column 2 t + e of tile c is position 8 t + 2 c + e: then a lane's
// weights are eight neighbours, as its values are.
template <int kHead>
struct DecodeSpan {
  uint4 k[4][kHead / 32];
  uint4 v[kHead / 8];

  __device__ __forceinline__ void load(const half* keys, int begin) {
    const int g = threadIdx.x % 32 / 4;
    const int t = threadIdx.x % 4;
    const int at = begin % kPageSize;
#pragma unroll
    for (int c = 0; c < 4; ++c)
#pragma unroll
      for (int s = 0; s < kHead / 32; ++s)
        k[c][s] =
            __ldcg(reinterpret_cast<const uint4*>(keys + (at + 8 * (g / 2) + 2 * c + g % 2) * kHead + 32 * s + 8 * t));
    const half* values = keys + kPageSize * kHead;
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n)
      v[n] = __ldcg(reinterpret_cast<const uint4*>(values + (8 * n + g) * kPageSize + at + 8 * t));
  }

  // Puts this step's position in: the cache may not have had it when the span was loaded.
  __device__ __forceinline__ void patch(const DecodeShared<kHead>& s, int position) {
    const int g = threadIdx.x % 32 / 4;
    const int t = threadIdx.x % 4;
    const int at = position % kDecodeSpan;
#pragma unroll
    for (int c = 0; c < 4; ++c)
      if (8 * (g / 2) + 2 * c + g % 2 == at)
#pragma unroll
        for (int i = 0; i < kHead / 32; ++i) k[c][i] = *reinterpret_cast<const uint4*>(s.key + 32 * i + 8 * t);
    if (at / 8 != t) return;
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n) {
      const uint32_t value = __half_as_ushort(s.value[8 * n + g]);
      const auto put = [&](uint32_t& word, int i) {
        if (at % 8 / 2 == i) word = at % 2 == 0 ? (word & 0xFFFF0000U) | value : (word & 0xFFFFU) | value << 16;
      };
      put(v[n].x, 0);
      put(v[n].y, 1);
      put(v[n].z, 2);
      put(v[n].w, 3);
    }
  }
};

template <int kHead>
__device__ __forceinline__ void attend_span(DecodeState<kHead>& state, const uint32_t (&q)[kHead / 16][2],
                                            DecodeSpan<kHead>& span, int n_valid) {
  const int t = threadIdx.x % 4;
  auto& k = span.k;
  auto& v = span.v;
  float score[4][4] = {};
#pragma unroll
  for (int c = 0; c < 4; ++c)
#pragma unroll
    for (int s = 0; s < kHead / 32; ++s) {
      const uint32_t a0[4] = {q[2 * s][0], 0, q[2 * s][1], 0};
      const uint32_t a1[4] = {q[2 * s + 1][0], 0, q[2 * s + 1][1], 0};
      mma(score[c], a0, k[c][s].x, k[c][s].y);
      mma(score[c], a1, k[c][s].z, k[c][s].w);
    }
  if (n_valid < kDecodeSpan) {
#pragma unroll
    for (int c = 0; c < 4; ++c)
#pragma unroll
      for (int e = 0; e < 2; ++e)
        if (8 * t + 2 * c + e >= n_valid) score[c][e] = -INFINITY;
    // What lies behind the end may be anything, NaN too, and zero times it would count.
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n) {
      const auto cut = [&](uint32_t& word, int i) {
        const int left = n_valid - (8 * t + 2 * i);
        word &= left >= 2 ? 0xFFFFFFFFU : left == 1 ? 0x0000FFFFU : 0U;
      };
      cut(v[n].x, 0);
      cut(v[n].y, 1);
      cut(v[n].z, 2);
      cut(v[n].w, 3);
    }
  }

  float now = state.largest;
#pragma unroll
  for (int c = 0; c < 4; ++c) now = fmaxf(now, fmaxf(score[c][0], score[c][1]));
  now = fmaxf(now, __shfl_xor_sync(kFullWarp, now, 1));
  now = fmaxf(now, __shfl_xor_sync(kFullWarp, now, 2));
  const float keep = exp2f(state.largest - now);
  state.largest = now;
  state.total *= keep;
  uint32_t weight[4];
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    const float w0 = exp2f(score[c][0] - now);
    const float w1 = exp2f(score[c][1] - now);
    state.total += w0 + w1;
    weight[c] = to_bits(__floats2half2_rn(w0, w1));
  }
  const uint32_t a0[4] = {weight[0], 0, weight[1], 0};
  const uint32_t a1[4] = {weight[2], 0, weight[3], 0};
#pragma unroll
  for (int n = 0; n < kHead / 8; ++n) {
    float sum[4] = {state.out[n][0] * keep, state.out[n][1] * keep, 0, 0};
    mma(sum, a0, v[n].x, v[n].y);
    mma(sum, a1, v[n].z, v[n].w);
    state.out[n][0] = sum[0];
    state.out[n][1] = sum[1];
  }
}

template <int kHead>
__global__ void __launch_bounds__(kDecodeThread, 1) attend_decode_kernel(DecodeAttention p) {
  extern __shared__ __align__(16) unsigned char memory[];
  __shared__ float factor[kDecodeGroup][kMaxSplit];
  __shared__ float inverse[kDecodeGroup];
  __shared__ bool is_last;
  grid_launch_next();
  const int split = blockIdx.x;
  const int n_split = gridDim.x;
  const int kv_head = blockIdx.y;
  const int row = blockIdx.z;
  const int group = p.n_head / p.n_head_kv;
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const int position = p.in.position[row];
  const int n_span = position / kDecodeSpan + 1;
  const int per_split = (n_span + n_split - 1) / n_split;
  const int n_used = (n_span + per_split - 1) / per_split;  // splits that have something to do
  const int first_span = split * per_split;
  const int last_span = min(n_span, first_span + per_split);
  const int32_t* pages = p.in.page_table + int64_t{p.in.page_row[row]} * p.page_stride;
  const auto keys_of = [&](int span) {
    return page_keys<half>(p.kv, p.n_head_kv, kHead, p.layer, pages[span * kDecodeSpan / kPageSize], kv_head);
  };
  // Earlier positions are in the cache since earlier steps, so they come before the wait.
  DecodeSpan<kHead> span;
  int at = first_span + warp;
  if (at < last_span) span.load(keys_of(at), at * kDecodeSpan);
  DecodePrologue<kHead> prologue(p, last_span == n_span && split < n_used);
  const int last_page = pages[position / kPageSize];
  grid_wait();
  if (split >= n_used) return;

  auto& s = *reinterpret_cast<DecodeShared<kHead>*>(memory);
  prologue.run(p, s, row, kv_head, position, last_page, split == 0);
  __syncthreads();
  uint32_t q[kHead / 16][2];
#pragma unroll
  for (int i = 0; i < kHead / 32; ++i) {
    const uint4 v = *reinterpret_cast<const uint4*>(s.q[g] + 32 * i + 8 * t);
    q[2 * i][0] = v.x;
    q[2 * i][1] = v.y;
    q[2 * i + 1][0] = v.z;
    q[2 * i + 1][1] = v.w;
  }

  DecodeState<kHead> state;
  for (; at < last_span; at += kDecodeWarp) {
    if (at != first_span + warp) span.load(keys_of(at), at * kDecodeSpan);
    if (at == n_span - 1) span.patch(s, position);
    attend_span<kHead>(state, q, span, position + 1 - at * kDecodeSpan);
  }
  state.total += __shfl_xor_sync(kFullWarp, state.total, 1);
  state.total += __shfl_xor_sync(kFullWarp, state.total, 2);
  __syncthreads();  // the sums take q's place

  auto* sums = reinterpret_cast<float*>(memory);                // [warp][group][kHead + 2]
  const int n_live = min(kDecodeWarp, last_span - first_span);  // warps that had something
  if (warp < n_live) {
    float* mine = sums + (warp * kDecodeGroup + g) * (kHead + 2);
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n)
      *reinterpret_cast<float2*>(mine + 8 * n + 2 * t) = {state.out[n][0], state.out[n][1]};
    if (t == 0) {
      mine[kHead] = state.largest;
      mine[kHead + 1] = state.total;
    }
  }
  __syncthreads();

  // A warp a head: lane w weighs what warp w left, then all lanes add up their dimensions, warps in order.
  float* partial = p.partial + (int64_t{row} * p.n_head + kv_head * group) * kMaxSplit * (kHead + 2);
  float* a = p.a + (int64_t{row} * p.n_head + kv_head * group) * kHead;
  if (warp < group) {
    const bool is_live = lane < n_live;
    const float* from = sums + (lane % kDecodeWarp * kDecodeGroup + warp) * (kHead + 2) + kHead;
    const float mine = is_live ? from[0] : -INFINITY;
    const float largest = warp_max(mine);
    const float weight = is_live ? exp2f(mine - largest) : 0.0F;
    const float total = warp_sum(is_live ? from[1] * weight : 0.0F);
    const float scale = n_used == 1 ? 1.0F / total : 1.0F;
    float2 value[kHead / 64] = {};
#pragma unroll
    for (int w = 0; w < kDecodeWarp; ++w) {
      const float factor_w = __shfl_sync(kFullWarp, weight, w);
      if (w >= n_live) continue;
#pragma unroll
      for (int j = 0; j < kHead / 64; ++j) {
        const float2 part = *reinterpret_cast<const float2*>(sums + (w * kDecodeGroup + warp) * (kHead + 2) + 64 * j + 2 * lane);
        value[j].x += part.x * factor_w;
        value[j].y += part.y * factor_w;
      }
    }
    float* to = n_used == 1 ? a + warp * kHead : partial + (warp * kMaxSplit + split) * (kHead + 2);
#pragma unroll
    for (int j = 0; j < kHead / 64; ++j)
      *reinterpret_cast<float2*>(to + 64 * j + 2 * lane) = {value[j].x * scale, value[j].y * scale};
    if (n_used > 1 && lane == 0) {
      to[kHead] = largest;
      to[kHead + 1] = total;
    }
  }
  if (n_used == 1) return;

  // The last block of this row and KV head merges all of them, split by split.
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    int32_t* ticket = p.ticket + row * p.n_head_kv + kv_head;
    is_last = atomicAdd(ticket, 1) == n_used - 1;
    if (is_last) *ticket = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  for (int head = warp; head < group; head += kDecodeWarp) {
    const float* from = partial + head * kMaxSplit * (kHead + 2);
    float largest = -INFINITY;
    for (int s = lane; s < n_used; s += 32) largest = fmaxf(largest, __ldcg(from + s * (kHead + 2) + kHead));
    largest = warp_max(largest);
    float total = 0;
    for (int s = lane; s < n_used; s += 32) {
      const float keep = exp2f(__ldcg(from + s * (kHead + 2) + kHead) - largest);
      factor[head][s] = keep;
      total += keep * __ldcg(from + s * (kHead + 2) + kHead + 1);
    }
    total = warp_sum(total);
    if (lane == 0) inverse[head] = 1.0F / total;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < group * kHead / 2; i += kDecodeThread) {
    const int head = i / (kHead / 2);
    const int d = i % (kHead / 2) * 2;
    const float* from = partial + head * kMaxSplit * (kHead + 2) + d;
    float2 value = {0, 0};
#pragma unroll 8
    for (int s = 0; s < n_used; ++s) {
      const float2 part = __ldcg(reinterpret_cast<const float2*>(from + s * (kHead + 2)));
      value.x += part.x * factor[head][s];
      value.y += part.y * factor[head][s];
    }
    *reinterpret_cast<float2*>(a + head * kHead + d) = {value.x * inverse[head], value.y * inverse[head]};
  }
}

}  // namespace tercet::cuda
