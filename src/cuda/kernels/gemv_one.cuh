// Owns the products of one row: decoding a single sequence, where everything is latency and bytes.
//
//   y[o] = sum_k W[o, k] x[k]
//   x: [cols] f32, normalised on the way in where asked   W: quantized, layouts kQ4K, kQ6K, kQ8   y: f32
//   launch: a warp has 16 weight rows and kUnits blocks of 256 columns; the warps of a block share the columns
//   shared: x as f16 in the canonical order, its sums over 16 columns, a power of two a block
//   sum: f32; in the tensor cores over a sub-block, then sub-block by sub-block and block by block in a lane, then the quad,
//   then warp by warp
//   bound: only x is rounded, to f16: 2^-11 of an element. The weights' integers are exact, and their scales multiply in f32
//   cost: reads W once. 5 instructions expand 8 weights of Q4_K
//
// One row leaves seven of the tensor cores' eight columns free, so each column takes another sub-block of 32 (Q6_K: 16):
// column n of the B operand is x where the sub-block is n, and zero elsewhere. What comes out in column n is the sum of
// integer times x over sub-block n, which its scale multiplies in f32. The integers themselves need no conversion: a small
// integer's bits are an f16 subnormal, integer times 2^-24, and the tensor cores take subnormals as they are.
#pragma once

#include "cuda/context.h"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/limits.h"
#include "cuda/kernels/rows.cuh"
#include "cuda/tensor.h"

namespace tercet::cuda {

inline constexpr float kTwo24 = 16777216.0F;  // what a subnormal's bits are multiplied by to be the integer
inline constexpr float kTwo20 = 1048576.0F;   // the same, four bits higher

__host__ __device__ constexpr size_t one_row_bytes(int cols) {
  return size_t(cols) * 2 + cols / 16 * 4 + cols / 256 * 16;
}
__device__ __forceinline__ OneRow carve_one(unsigned char* memory, int cols) {
  OneRow row;
  row.x = reinterpret_cast<half*>(memory);
  row.sum16 = reinterpret_cast<float*>(row.x + cols);
  row.inverse = row.sum16 + cols / 16;
  return row;
}

// Brings this lane's eight columns of a block to shared memory; the whole warp works on one block.
// `largest`: what no magnitude in the block exceeds.
__device__ __forceinline__ void put_block(const OneRow& row, int block, const Eight& v, float largest) {
  const int lane = threadIdx.x % 32;
  const PowerOfTwo power = to_f16_range(largest);
  const uint4 packed = to_f16(v, power.scale);
  *reinterpret_cast<uint4*>(row.x + 256 * block + 8 * lane) = packed;
  float sum = 0;
  for (const uint32_t word : {packed.x, packed.y, packed.z, packed.w}) {
    const float2 two = __half22float2(from_bits(word));
    sum += two.x + two.y;
  }
  sum += __shfl_xor_sync(kFullWarp, sum, 4);  // the other step pair of the same 16 columns
  if (lane / 4 % 2 == 0) row.sum16[16 * block + first_column(lane) / 16] = sum;
  if (lane == 0) row.inverse[block] = power.inverse;
}

// One block on its way from device memory, where another kernel put it, to shared memory: the load stands early, before a
// warp's weights queue up in front of it.
struct FetchedBlock {
  uint4 x;
  float sum16;
  float inverse;
  __device__ __forceinline__ void load(const OneRow& from, int block) {
    const int lane = threadIdx.x % 32;
    x = __ldcg(reinterpret_cast<const uint4*>(from.x + 256 * block) + lane);
    sum16 = __ldcg(from.sum16 + 16 * block + lane % 16);
    inverse = __ldcg(from.inverse + block);
  }
  __device__ __forceinline__ void put(const OneRow& to, int block) const {
    const int lane = threadIdx.x % 32;
    reinterpret_cast<uint4*>(to.x + 256 * block)[lane] = x;
    if (lane < 16) to.sum16[16 * block + lane] = sum16;
    if (lane == 16) to.inverse[block] = inverse;
  }
};

// A layout's way to a product of one row. Of lane 4 g + t, as everywhere: rows g and g + 8 of the tile.
//   load(raw, w, block, t)      a block of 256 columns of both rows
//   multiply(sum, raw, row, i)  sum[r] += this lane's share of the block's product for row g + 8 r
struct OneQ4K {
  struct Raw {
    uint4 head[2], q[2][2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const Tensor& w, const int64_t (&block)[2], int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint8_t* from = w.quants + block[r] * 144;
      raw.head[r] = load_weights(from);
      raw.q[r][0] = load_weights(from + 16 + 16 * t);
      raw.q[r][1] = load_weights(from + 80 + 16 * t);
    }
  }
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    const int lane = threadIdx.x % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    // Sub-block 4 l + 2 (t / 2) + hi is column g: this lane's x is that of steps (g / 4, g % 2, j), if t / 2 fits.
    uint4 x[2] = {};
    if (t / 2 == g / 2 % 2) {
      const auto* from = reinterpret_cast<const uint4*>(row.x + 256 * i + 32 * (4 * (g / 4) + 2 * (g % 2)) + 8 * t);
      x[0] = from[0];
      x[1] = from[4];
    }
    float c[2][4] = {};
#pragma unroll
    for (int l = 0; l < 2; ++l) {
      const uint32_t even = g / 4 == l && g % 2 == 0 ? 0xFFFFFFFFU : 0U;
      const uint32_t odd = g / 4 == l && g % 2 == 1 ? 0xFFFFFFFFU : 0U;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint4& q0 = raw.q[0][l];
        const uint4& q1 = raw.q[1][l];
        const uint32_t w0 = j == 0 ? q0.x : j == 1 ? q0.y : j == 2 ? q0.z : q0.w;
        const uint32_t w1 = j == 0 ? q1.x : j == 1 ? q1.y : j == 2 ? q1.z : q1.w;
        const uint32_t b0 = j % 2 == 0 ? x[j / 2].x : x[j / 2].z;
        const uint32_t b1 = j % 2 == 0 ? x[j / 2].y : x[j / 2].w;
        const uint32_t low[4] = {w0 & 0x000F000FU, w1 & 0x000F000FU, (w0 >> 8) & 0x000F000FU, (w1 >> 8) & 0x000F000FU};
        const uint32_t high[4] = {w0 & 0x00F000F0U, w1 & 0x00F000F0U, (w0 >> 8) & 0x00F000F0U, (w1 >> 8) & 0x00F000F0U};
        mma(c[0], low, b0 & even, b1 & even);
        mma(c[1], high, b0 & odd, b1 & odd);
      }
    }
    // Columns 2 t and 2 t + 1: sub-blocks with hi = 0 and hi = 1.
    const float4 sums = *reinterpret_cast<const float4*>(row.sum16 + 16 * i + 4 * t);
    const float s0 = sums.x + sums.y;
    const float s1 = sums.z + sums.w;
    const float inverse = row.inverse[i];
    const int shift = 16 * (t % 2);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t a = raw.head[r].y >> shift;
      const uint32_t b = raw.head[r].z >> shift;
      const uint32_t d = raw.head[r].w >> shift;
      const uint32_t scale = t < 2 ? a & 0x3F3F : (d & 0x0F0F) | ((a >> 2) & 0x3030);
      const uint32_t min = t < 2 ? b & 0x3F3F : ((d >> 4) & 0x0F0F) | ((b >> 2) & 0x3030);
      const float2 dd = __half22float2(from_bits(raw.head[r].x));
      const float integers = static_cast<float>(scale & 255) * (c[0][2 * r] * kTwo24) +
                             static_cast<float>(scale >> 8 & 255) * (c[1][2 * r + 1] * kTwo20);
      const float minima = static_cast<float>(min & 255) * s0 + static_cast<float>(min >> 8 & 255) * s1;
      sum[r] += (dd.x * integers - dd.y * minima) * inverse;
    }
  }
};

struct OneQ6K {
  struct Raw {
    uint4 low[2][2], high[2];
    uint32_t scales[2];  // two of l = 0 in the low half, two of l = 1 in the high one
    uint16_t d[2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const Tensor& w, const int64_t (&block)[2], int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint8_t* from = w.quants + block[r] * 192 + 16 * t;
      raw.low[r][0] = load_weights(from);
      raw.low[r][1] = load_weights(from + 64);
      raw.high[r] = load_weights(from + 128);
      const auto* scales = reinterpret_cast<const uint16_t*>(w.scales + block[r] * 16);
      raw.scales[r] = __ldg(scales + t) | static_cast<uint32_t>(__ldg(scales + 4 + t)) << 16;
      raw.d[r] = __ldg(w.d + block[r]);
    }
  }
  static __device__ __forceinline__ uint32_t word_of(const uint4& q, int j) {
    return j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w;
  }
  // The bits of `word` from `from` on, moved to bit `to`.
  static __device__ __forceinline__ uint32_t moved(uint32_t word, int from, int to) {
    return from <= to ? word << (to - from) : word >> (from - to);
  }
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    const int lane = threadIdx.x % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    // Sub-block 8 l + 4 (t / 2) + 2 hi + t % 2 is column g of half l.
    const bool live = t == 2 * (g / 4) + g % 2;
    const float inverse = row.inverse[i];
    const uint32_t even = g / 2 % 2 == 0 ? 0xFFFFFFFFU : 0U;
#pragma unroll
    for (int l = 0; l < 2; ++l) {
      uint4 x[2] = {};
      if (live) {
        const auto* from = reinterpret_cast<const uint4*>(row.x + 256 * i + 32 * (4 * l + 2 * (g / 2 % 2)) + 8 * t);
        x[0] = from[0];
        x[1] = from[4];
      }
      float c[2][4] = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t b0 = j % 2 == 0 ? x[j / 2].x : x[j / 2].z;
        const uint32_t b1 = j % 2 == 0 ? x[j / 2].y : x[j / 2].w;
        uint32_t low[4];
        uint32_t high[4];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const uint32_t w = word_of(raw.low[r][l], j);
          const uint32_t h0 = word_of(raw.high[r], 2 * l);
          const uint32_t h1 = word_of(raw.high[r], 2 * l + 1);
          low[r] = (w & 0x000F000FU) | (moved(h0, 4 * j, 4) & 0x00300030U);
          low[2 + r] = ((w >> 8) & 0x000F000FU) | (moved(h0, 4 * j + 2, 4) & 0x00300030U);
          high[r] = (w & 0x00F000F0U) | (moved(h1, 4 * j, 8) & 0x03000300U);
          high[2 + r] = ((w >> 8) & 0x00F000F0U) | (moved(h1, 4 * j + 2, 8) & 0x03000300U);
        }
        mma(c[0], low, b0 & even, b1 & even);
        mma(c[1], high, b0 & ~even, b1 & ~even);
      }
      // Columns 2 t and 2 t + 1 have hi = t % 2; in the other sum they are zero.
      const float2 sums = *reinterpret_cast<const float2*>(row.sum16 + 16 * i + 8 * l + 2 * t);
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const uint32_t bytes = raw.scales[r] >> (16 * l);
        const auto s0 = static_cast<float>(static_cast<int8_t>(bytes & 255));
        const auto s1 = static_cast<float>(static_cast<int8_t>(bytes >> 8 & 255));
        const float c0 = c[0][2 * r] * kTwo24 + c[1][2 * r] * kTwo20;
        const float c1 = c[0][2 * r + 1] * kTwo24 + c[1][2 * r + 1] * kTwo20;
        const float integers = s0 * (c0 - 32 * sums.x) + s1 * (c1 - 32 * sums.y);
        sum[r] += __half2float(__ushort_as_half(raw.d[r])) * integers * inverse;
      }
    }
  }
};

struct OneQ8 {
  struct Raw {
    uint4 q[2][4];
    uint32_t d[2];  // two halves
  };
  static __device__ __forceinline__ void load(Raw& raw, const Tensor& w, const int64_t (&block)[2], int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
#pragma unroll
      for (int q = 0; q < 4; ++q) raw.q[r][q] = load_weights(w.quants + block[r] * 256 + 64 * q + 16 * t);
      raw.d[r] = __ldg(reinterpret_cast<const uint32_t*>(w.d + block[r] * 8) + t);
    }
  }
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    const int lane = threadIdx.x % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    uint4 x[2] = {};  // as for Q4_K: the sub-blocks are the same
    if (t / 2 == g / 2 % 2) {
      const auto* from = reinterpret_cast<const uint4*>(row.x + 256 * i + 32 * (4 * (g / 4) + 2 * (g % 2)) + 8 * t);
      x[0] = from[0];
      x[1] = from[4];
    }
    float c[4] = {};
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const uint32_t mask = 2 * (g / 4) + g % 2 == q ? 0xFFFFFFFFU : 0U;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t b0 = j % 2 == 0 ? x[j / 2].x : x[j / 2].z;
        const uint32_t b1 = j % 2 == 0 ? x[j / 2].y : x[j / 2].w;
        const uint32_t w0 = OneQ6K::word_of(raw.q[0][q], j) ^ 0x80808080U;  // plus 128: no signs
        const uint32_t w1 = OneQ6K::word_of(raw.q[1][q], j) ^ 0x80808080U;
        const uint32_t a[4] = {w0 & 0x00FF00FFU, w1 & 0x00FF00FFU, (w0 >> 8) & 0x00FF00FFU, (w1 >> 8) & 0x00FF00FFU};
        mma(c, a, b0 & mask, b1 & mask);
      }
    }
    const float4 sums = *reinterpret_cast<const float4*>(row.sum16 + 16 * i + 4 * t);
    const float s0 = sums.x + sums.y;
    const float s1 = sums.z + sums.w;
    const float inverse = row.inverse[i];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float2 d = __half22float2(from_bits(raw.d[r]));
      sum[r] += (d.x * (c[2 * r] * kTwo24 - 128 * s0) + d.y * (c[2 * r + 1] * kTwo24 - 128 * s1)) * inverse;
    }
  }
};

template <class F>
__device__ __forceinline__ void with_one(Layout layout, F&& f) {
  if (layout == Layout::kQ4K)
    f.template operator()<OneQ4K>();
  else if (layout == Layout::kQ6K)
    f.template operator()<OneQ6K>();
  else
    f.template operator()<OneQ8>();
}

// Blocks first .. first + kUnits - 1 of rows row .. row + 15, numbered through all matrices; rows beyond `last` are read as
// `last`, and thrown away later.
template <class One, int kUnits>
struct OneTile {
  typename One::Raw raw[kUnits];
  __device__ __forceinline__ void load(const Tensor& w, int64_t row, int64_t last, int first) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
      if (first + u < w.cols / 256) load_one(u, w, row, last, first + u);
  }
  __device__ __forceinline__ void load_one(int u, const Tensor& w, int64_t row, int64_t last, int i) {
    const int g = threadIdx.x % 32 / 4;
    const int64_t n_block = w.cols / 256;
    const int64_t block[2] = {min(row + g, last) * n_block + i, min(row + g + 8, last) * n_block + i};
    One::load(raw[u], w, block, static_cast<int>(threadIdx.x % 4));
  }
  __device__ __forceinline__ void multiply(float (&sum)[2], const OneRow& row, int n_block, int first) const {
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
      if (first + u < n_block) One::multiply(sum, raw[u], row, first + u);
  }
};

// Adds up a quad's shares and leaves the tile's 16 sums in `to`.
__device__ __forceinline__ void put_sums(float* to, float (&sum)[2]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    sum[r] += __shfl_xor_sync(kFullWarp, sum[r], 1);
    sum[r] += __shfl_xor_sync(kFullWarp, sum[r], 2);
  }
  if (lane % 4 == 0) {
    to[lane / 4] = sum[0];
    to[lane / 4 + 8] = sum[1];
  }
}

// A warp's own blocks of x, first .. first + kUnits - 1, from their loads to shared memory: no warp waits for another.
template <int kUnits>
struct OneInput {
  Eight x[kUnits], norm[kUnits];
  float most[kUnits];  // how large a normalised block can become: sqrt(cols) times its largest weight

  // The norm's weights come before the wait.
  __device__ __forceinline__ void load_norm(const float* weights, int cols, int first) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      if (weights == nullptr || first + u >= cols / 256) continue;
      const auto* p = reinterpret_cast<const float4*>(weights + 256 * (first + u) + first_column(threadIdx.x % 32));
      norm[u] = {__ldg(p), __ldg(p + 1)};
      most[u] = warp_max(largest_magnitude(norm[u])) * sqrtf(static_cast<float>(cols));
    }
  }
  __device__ __forceinline__ void load(const float* from, int cols, int first) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
      if (first + u < cols / 256) x[u] = load_eight(from + 256 * (first + u) + first_column(threadIdx.x % 32));
  }
  __device__ __forceinline__ float squares(int cols, int first) const {
    float sum = 0;
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
      if (first + u < cols / 256) sum += sum_of_squares(x[u]);
    return sum;
  }
  // Puts x, or rms_norm(x) with its scale, where this warp finds it.
  __device__ __forceinline__ void put(const OneRow& row, int cols, int first, bool is_normed, float scale,
                                      float* tap) const {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      if (first + u >= cols / 256) break;
      const Eight v = is_normed ? normalised(x[u], scale, norm[u]) : x[u];
      if (tap != nullptr) {
        auto* out = reinterpret_cast<float4*>(tap + 256 * (first + u) + first_column(threadIdx.x % 32));
        out[0] = v.a;
        out[1] = v.b;
      }
      put_block(row, first + u, v, is_normed ? most[u] : warp_max(largest_magnitude(v)));
    }
    __syncwarp();
  }
};

// The sum of the squares of x, which its last writers left behind, 16 columns each. The same bits in every warp.
__device__ __forceinline__ float sum_squares(const float* squares, int cols) {
  float sum = 0;
  for (int i = threadIdx.x % 32; i < cols / 16; i += 32) sum += __ldcg(squares + i);
  return warp_sum(sum);
}
// Leaves them behind: lanes 0 .. 15 of a warp have a value each.
__device__ __forceinline__ void put_squares(float* squares, int tile, float value) {
  float sum = value * value;
#pragma unroll
  for (int i = 8; i > 0; i /= 2) sum += __shfl_xor_sync(0xFFFFU, sum, i);
  if (threadIdx.x == 0) squares[tile] = sum;
}

}  // namespace tercet::cuda
