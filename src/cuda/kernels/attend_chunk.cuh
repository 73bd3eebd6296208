// Owns attention for prompts' chunks: f16 keys and values, 128 rows at a time, a row being a token's query head.
//
//   launch: a block of 8 warps for (piece, KV head); a warp has 16 rows; the tile of keys is a page
//   shared: two pages' keys [64][d + 32] and values [d][64 + 32], f16
//   sum: f32; online softmax in powers of two over pages in order (FlashAttention-2, Dao 2023)
//   cost: reads the sequence's keys and values once for 128 / group tokens; bound by the tensor cores and shared memory
#pragma once

#include "cuda/kernels/heads.cuh"

namespace tercet::cuda {

inline constexpr int kChunkWarp = 8;
inline constexpr int kChunkThread = 32 * kChunkWarp;
static_assert(kChunkRows == 16 * kChunkWarp);

struct ChunkAttention {
  StepInput in;
  Kv kv;
  int page_stride, layer, n_head, n_head_kv;
  const half* q16;
  float* a;
};

__host__ __device__ constexpr int chunk_stage_halves(int d_head) {
  return kPageSize * (d_head + 32) + d_head * (kPageSize + 32);
}
__host__ __device__ constexpr size_t chunk_shared_bytes(int d_head) {
  return size_t{2} * sizeof(half) * chunk_stage_halves(d_head);
}

template <int kHead>
__device__ __forceinline__ void fetch_page(half* to, const half* keys, int n_valid) {
  constexpr int kKeyChunks = kPageSize * kHead / 8;
  for (int i = threadIdx.x; i < 2 * kKeyChunks; i += kChunkThread) {
    if (i < kKeyChunks) {
      const int r = i / (kHead / 8);
      const int c = i % (kHead / 8) * 8;
      copy_async(to + r * (kHead + 32) + c, keys + r * kHead + c);
    } else {
      // Values behind the end may be anything, NaN too, and zero times it would count: zeros instead.
      const int r = (i - kKeyChunks) / (kPageSize / 8);
      const int c = (i - kKeyChunks) % (kPageSize / 8) * 8;
      copy_async(to + kPageSize * (kHead + 32) + r * (kPageSize + 32) + c, keys + kPageSize * kHead + r * kPageSize + c,
                 max(0, min(16, 2 * (n_valid - c))));
    }
  }
  commit_async();
}

template <int kHead>
__global__ void __launch_bounds__(kChunkThread, 1) attend_chunk_kernel(ChunkAttention p) {
  extern __shared__ __align__(16) half shared[];
  grid_launch_next();
  grid_wait();
  const ChunkPiece piece = p.in.pieces[blockIdx.x];
  const int kv_head = blockIdx.y;
  const int group = p.n_head / p.n_head_kv;
  const int lane = threadIdx.x % 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const int32_t* pages = p.in.page_table + int64_t{piece.sequence} * p.page_stride;
  const int first_position = p.in.position[piece.row];
  const int length = first_position + piece.n_row;  // up to the piece's last token

  // Of this warp's 16 rows this lane has m = g and g + 8: token m / group of the piece, head m % group of the group.
  int position[2];
  const half* q_row[2];
  float* out_row[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int m = 16 * static_cast<int>(threadIdx.x / 32) + g + 8 * i;
    const int token = m / group;
    const bool live = token < piece.n_row;
    const int64_t at = (int64_t{piece.row + (live ? token : 0)} * p.n_head + kv_head * group + m % group) * kHead;
    position[i] = live ? first_position + token : -1;
    q_row[i] = p.q16 + at;
    out_row[i] = live ? p.a + at : nullptr;
  }
  uint32_t q[kHead / 16][4];
#pragma unroll
  for (int s = 0; s < kHead / 32; ++s)
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint4 v = __ldcg(reinterpret_cast<const uint4*>(q_row[i] + 32 * s + 8 * t));
      q[2 * s][i] = v.x;
      q[2 * s][2 + i] = v.y;
      q[2 * s + 1][i] = v.z;
      q[2 * s + 1][2 + i] = v.w;
    }

  float out[kHead / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float total[2] = {};
  const int n_page = (length + kPageSize - 1) / kPageSize;
  const auto keys_of = [&](int page) {
    return page_keys<half>(p.kv, p.n_head_kv, kHead, p.layer, pages[page], kv_head);
  };
  fetch_page<kHead>(shared, keys_of(0), length);
  for (int page = 0; page < n_page; ++page) {
    wait_async<0>();
    __syncthreads();
    if (page + 1 < n_page)
      fetch_page<kHead>(shared + (page + 1) % 2 * chunk_stage_halves(kHead), keys_of(page + 1),
                        length - (page + 1) * kPageSize);
    const half* keys = shared + page % 2 * chunk_stage_halves(kHead);
    const half* values = keys + kPageSize * (kHead + 32);

    // Column 2 t + e of tile c is position 32 (c / 4) + 8 t + 2 (c % 4) + e: a lane's weights are then neighbours, as its
    // values are.
    float score[8][4] = {};
#pragma unroll
    for (int c = 0; c < 8; ++c) {
      const half* key = keys + (32 * (c / 4) + 8 * (g / 2) + 2 * (c % 4) + g % 2) * (kHead + 32) + 8 * t;
#pragma unroll
      for (int s = 0; s < kHead / 32; ++s) {
        const uint4 k = *reinterpret_cast<const uint4*>(key + 32 * s);
        mma(score[c], q[2 * s], k.x, k.y);
        mma(score[c], q[2 * s + 1], k.z, k.w);
      }
    }
    if ((page + 1) * kPageSize > first_position + 1) {
#pragma unroll
      for (int c = 0; c < 8; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int at = page * kPageSize + 32 * (c / 4) + 8 * t + 2 * (c % 4) + i % 2;
          if (at > position[i / 2]) score[c][i] = -INFINITY;
        }
    }

    float keep[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      float now = largest[i];
#pragma unroll
      for (int c = 0; c < 8; ++c) now = fmaxf(now, fmaxf(score[c][2 * i], score[c][2 * i + 1]));
      now = fmaxf(now, __shfl_xor_sync(kFullWarp, now, 1));
      now = fmaxf(now, __shfl_xor_sync(kFullWarp, now, 2));
      now = fmaxf(now, -1e30F);  // a row that sees nothing in this page, or is none: no -inf minus -inf
      keep[i] = exp2f(largest[i] - now);
      largest[i] = now;
      total[i] *= keep[i];
    }
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) out[n][i] *= keep[i / 2];
#pragma unroll
    for (int v = 0; v < 2; ++v) {
      uint32_t a[2][4];
#pragma unroll
      for (int c = 0; c < 4; ++c)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float w0 = exp2f(score[4 * v + c][2 * i] - largest[i]);
          const float w1 = exp2f(score[4 * v + c][2 * i + 1] - largest[i]);
          total[i] += w0 + w1;
          a[c / 2][2 * (c % 2) + i] = to_bits(__floats2half2_rn(w0, w1));
        }
#pragma unroll
      for (int n = 0; n < kHead / 8; ++n) {
        const uint4 x = *reinterpret_cast<const uint4*>(values + (8 * n + g) * (kPageSize + 32) + 32 * v + 8 * t);
        mma(out[n], a[0], x.x, x.y);
        mma(out[n], a[1], x.z, x.w);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    total[i] += __shfl_xor_sync(kFullWarp, total[i], 1);
    total[i] += __shfl_xor_sync(kFullWarp, total[i], 2);
    if (out_row[i] == nullptr) continue;
    const float inverse = 1.0F / total[i];
#pragma unroll
    for (int n = 0; n < kHead / 8; ++n)
      *reinterpret_cast<float2*>(out_row[i] + 8 * n + 2 * t) = {out[n][2 * i] * inverse, out[n][2 * i + 1] * inverse};
  }
}

}  // namespace tercet::cuda
