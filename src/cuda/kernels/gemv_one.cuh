// Owns the products of one row: decoding a single sequence, where everything is latency and bytes.
//
//   y[o] = sum_k W[o, k] x[k]
//   x: [cols] f32, normalised where asked: its weights on the way in, its scale at the end   W: quantized, layouts kQ4K, kQ6K, kQ8   y: f32
//   launch: a warp has 16 weight rows and kUnits blocks of 256 columns; the warps of a block share the columns
//   shared: x as two planes of int8 in the canonical order, its sums over 16 columns, a factor a block
//   sum: exact integers over a sub-block of the weights; from there f32, block by block in a lane, then the quad, then every
//   second warp, then both halves
//   bound: only x is rounded, to 16 bits of its block's largest: at most that / 65024. The rest is f32
//   cost: reads W once. 3 instructions expand 8 weights of Q4_K
//
// One row leaves seven of the tensor cores' eight columns free, so a column is a plane of one of four sub-blocks of 32 (Q6_K:
// 16): there the B operand is that plane of x, and zero where the sub-block is another. What comes out in a quad's thread t
// are both planes' sums of integer times integer over sub-block t, and its scale multiplies them.
#pragma once

#include "cuda/context.h"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/limits.h"
#include "cuda/kernels/rows.cuh"
#include "cuda/tensor.h"

namespace tercet::cuda {

__host__ __device__ constexpr size_t one_row_bytes(int cols) {
  return size_t(cols) * 2 + cols / 16 * 4 + cols / 256 * 16;
}
__device__ __forceinline__ OneRow carve_one(unsigned char* memory, int cols) {
  OneRow row;
  row.x = reinterpret_cast<int8_t*>(memory);
  row.sum16 = reinterpret_cast<int32_t*>(row.x + 2 * cols);
  row.inverse = reinterpret_cast<float*>(row.sum16 + cols / 16);
  return row;
}

// c += a b on the tensor cores: a [16, 32], b [32, 8], c [16, 8] (PTX ISA, mma.m16n8k32). Of lane 4 g + t:
//   a: (g, 4t..), (g + 8, 4t..), (g, 4t + 16..), (g + 8, 4t + 16..)   b: (4t.., g), (4t + 16.., g)
//   c: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
template <bool kSigned>
__device__ __forceinline__ void mma_int8(int (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (kSigned)
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Brings this lane's eight columns of a block to shared memory; the whole warp works on one block. x = q inverse with q = 256
// high + low, |q| <= 32512. A value that is not finite leaves an inverse that is not, so that nothing hides it.
__device__ __forceinline__ void put_block(const OneRow& row, int block, const Eight& v) {
  constexpr float kMost = 32512.0F;      // so that the high plane stays within int8
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: added, a small float's integer lies in its low bits
  constexpr int kShiftBits = 0x4B400000;
  const int lane = threadIdx.x % 32;
  const float x[8] = {v.a.x, v.a.y, v.a.z, v.a.w, v.b.x, v.b.y, v.b.z, v.b.w};
  uint32_t bits = __float_as_uint(1e-30F);  // as integers magnitudes keep their order, and a NaN is the largest
#pragma unroll
  for (int i = 0; i < 8; ++i) bits = max(bits, __float_as_uint(fabsf(x[i])));
  const float largest = __uint_as_float(__reduce_max_sync(kFullWarp, bits));
  const float scale = __fdividef(kMost, largest);
  int q[8];
  int sum = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    q[i] = __float_as_int(fmaf(x[i], scale, kShift));
    sum += q[i] - kShiftBits;
  }
  uint2 high;
  uint2 low;
  const auto pack = [&](int i, int add, unsigned from) {
    const uint32_t a = __byte_perm(q[i] + add, q[i + 1] + add, from);
    return __byte_perm(a, __byte_perm(q[i + 2] + add, q[i + 3] + add, from), 0x5410);
  };
  high = {pack(0, 128, 0x0051), pack(4, 128, 0x0051)};
  low = {pack(0, 0, 0x0040), pack(4, 0, 0x0040)};
  const int pair = lane / 4;
  int8_t* to = row.x + 512 * block + 64 * (pair / 2) + 16 * (lane % 4) + 8 * (pair % 2);
  *reinterpret_cast<uint2*>(to) = high;
  *reinterpret_cast<uint2*>(to + 256) = low;
  sum += __shfl_xor_sync(kFullWarp, sum, 4);  // the other eight of the same 16 columns
  if (pair % 2 == 0) row.sum16[16 * block + first_column(lane) / 16] = sum;
  if (lane == 0) row.inverse[block] = largest / kMost;
}

// One block on its way from device memory, where another kernel put it, to shared memory: the load stands early, before a
// warp's weights queue up in front of it.
struct FetchedBlock {
  uint4 x;
  int32_t sum16;
  float inverse;
  __device__ __forceinline__ void load(const OneRow& from, int block) {
    const int lane = threadIdx.x % 32;
    x = __ldcg(reinterpret_cast<const uint4*>(from.x + 512 * block) + lane);
    sum16 = __ldcg(from.sum16 + 16 * block + lane % 16);
    inverse = __ldcg(from.inverse + block);
  }
  __device__ __forceinline__ void put(const OneRow& to, int block) const {
    const int lane = threadIdx.x % 32;
    reinterpret_cast<uint4*>(to.x + 512 * block)[lane] = x;
    if (lane < 16) to.sum16[16 * block + lane] = sum16;
    if (lane == 16) to.inverse[block] = inverse;
  }
};

// A layout's way to a product of one row. Of lane 4 g + t, as everywhere: rows g and g + 8 of the tile.
//   load(raw, w, block, t)      a block of 256 columns of both rows
//   multiply(sum, raw, row, i)  sum[r] += this lane's share of the block's product for row g + 8 r
__device__ __forceinline__ uint32_t word_of(const uint4& q, int j) {
  return j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w;
}
// The 16 columns of a block that its sub-blocks' order calls (l, hi, t), of one plane.
__device__ __forceinline__ uint4 plane_of(const OneRow& row, int block, int plane, int l, int hi, int t) {
  return *reinterpret_cast<const uint4*>(row.x + 512 * block + 256 * plane + 128 * l + 64 * hi + 16 * t);
}

// Sub-blocks of 32: column g is plane g % 2 of sub-block (t / 2, hi) = (g / 4, g / 2 % 2) in each half l. Adds to c[l] what
// word(r, l, hi, j) makes of the weights: row g + 8 r, columns c(8 l + 4 hi + j, t, 0..3).
template <bool kSigned, class Word>
__device__ __forceinline__ void multiply_halves(int (&c)[2][4], const OneRow& row, int i, Word&& word) {
  const int g = threadIdx.x % 32 / 4;
  const int t = threadIdx.x % 4;
  const bool live = t / 2 == g / 4;
#pragma unroll
  for (int l = 0; l < 2; ++l) {
    uint4 x = {};
    if (live) x = plane_of(row, i, g % 2, l, g / 2 % 2, t);
#pragma unroll
    for (int hi = 0; hi < 2; ++hi) {
      const uint32_t mask = g / 2 % 2 == hi ? 0xFFFFFFFFU : 0U;
#pragma unroll
      for (int j = 0; j < 4; j += 2) {
        const uint32_t a[4] = {word(0, l, hi, j), word(1, l, hi, j), word(0, l, hi, j + 1), word(1, l, hi, j + 1)};
        mma_int8<kSigned>(c[l], a, word_of(x, j) & mask, word_of(x, j + 1) & mask);
      }
    }
  }
}

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
  // Integers to the end: 63 * 2 * 15 * 32 * 32512 and 63 * 64 * 32512 fit.
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    const int t = threadIdx.x % 4;
    int c[2][4] = {};
    multiply_halves<false>(
        c, row, i, [&](int r, int l, int hi, int j) { return (word_of(raw.q[r][l], j) >> (4 * hi)) & 0x0F0F0F0FU; });
    const int2 s0 = *reinterpret_cast<const int2*>(row.sum16 + 16 * i + 2 * t);
    const int2 s1 = *reinterpret_cast<const int2*>(row.sum16 + 16 * i + 8 + 2 * t);
    const float inverse = row.inverse[i];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      // Sub-blocks t and 4 + t of the eight (quant/q4_k.h).
      const int a = static_cast<int>(raw.head[r].y >> (8 * t)) & 255;
      const int b = static_cast<int>(raw.head[r].z >> (8 * t)) & 255;
      const int d = static_cast<int>(raw.head[r].w >> (8 * t)) & 255;
      const int scale[2] = {a & 63, (d & 15) | (a >> 2 & 0x30)};
      const int min[2] = {b & 63, d >> 4 | (b >> 2 & 0x30)};
      const int high = scale[0] * c[0][2 * r] + scale[1] * c[1][2 * r];
      const int low = scale[0] * c[0][2 * r + 1] + scale[1] * c[1][2 * r + 1];
      const int minima = min[0] * (s0.x + s0.y) + min[1] * (s1.x + s1.y);
      const float2 dd = __half22float2(from_bits(raw.head[r].x));
      sum[r] += (dd.x * static_cast<float>(256 * high + low) - dd.y * static_cast<float>(minima)) * inverse;
    }
  }
};

struct OneQ6K {
  struct Raw {
    uint4 low[2][2], high[2];
    uint32_t scales[2][2];  // of half l: those of (hi, t % 2) in byte 2 hi + t % 2
    uint16_t d[2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const Tensor& w, const int64_t (&block)[2], int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint8_t* from = w.quants + block[r] * 192 + 16 * t;
      raw.low[r][0] = load_weights(from);
      raw.low[r][1] = load_weights(from + 64);
      raw.high[r] = load_weights(from + 128);
      const auto* scales = reinterpret_cast<const uint32_t*>(w.scales + block[r] * 16);
      raw.scales[r][0] = __ldg(scales + t / 2);
      raw.scales[r][1] = __ldg(scales + 2 + t / 2);
      raw.d[r] = __ldg(w.d + block[r]);
    }
  }
  // Sub-blocks of 16: in each (l, hi), column g is plane g % 2 of thread g / 2's columns.
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    const int g = threadIdx.x % 32 / 4;
    const int t = threadIdx.x % 4;
    const bool live = t == g / 2;
    float total[2] = {};
#pragma unroll
    for (int l = 0; l < 2; ++l)
#pragma unroll
      for (int hi = 0; hi < 2; ++hi) {
        uint4 x = {};
        if (live) x = plane_of(row, i, g % 2, l, hi, t);
        const auto word = [&](int r, int j) {
          // Two bits each for the four bytes, at 0, 2, 16, 18, to bits 4 and 5 of theirs.
          const uint32_t two = (word_of(raw.high[r], 2 * l + hi) >> (4 * j)) & 0x000F000FU;
          return ((word_of(raw.low[r][l], j) >> (4 * hi)) & 0x0F0F0F0FU) | ((two * 1040U) & 0x30303030U);
        };
        int c[4] = {};
#pragma unroll
        for (int j = 0; j < 4; j += 2) {
          const uint32_t a[4] = {word(0, j), word(1, j), word(0, j + 1), word(1, j + 1)};
          mma_int8<false>(c, a, word_of(x, j), word_of(x, j + 1));
        }
        const int offset = 32 * row.sum16[16 * i + 8 * l + 4 * (t / 2) + 2 * hi + t % 2];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const auto scale = static_cast<float>(static_cast<int8_t>(raw.scales[r][l] >> (16 * hi + 8 * (t % 2))));
          total[r] += scale * static_cast<float>(256 * c[2 * r] + c[2 * r + 1] - offset);
        }
      }
    const float inverse = row.inverse[i];
#pragma unroll
    for (int r = 0; r < 2; ++r) sum[r] += __half2float(__ushort_as_half(raw.d[r])) * total[r] * inverse;
  }
};

struct OneQ8 {
  struct Raw {
    uint4 q[2][4];
    uint16_t d[2][2];
  };
  static __device__ __forceinline__ void load(Raw& raw, const Tensor& w, const int64_t (&block)[2], int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
#pragma unroll
      for (int q = 0; q < 4; ++q) raw.q[r][q] = load_weights(w.quants + block[r] * 256 + 64 * q + 16 * t);
      raw.d[r][0] = __ldg(w.d + block[r] * 8 + t);
      raw.d[r][1] = __ldg(w.d + block[r] * 8 + 4 + t);
    }
  }
  static __device__ __forceinline__ void multiply(float (&sum)[2], const Raw& raw, const OneRow& row, int i) {
    int c[2][4] = {};
    multiply_halves<true>(c, row, i, [&](int r, int l, int hi, int j) { return word_of(raw.q[r][2 * l + hi], j); });
    const float inverse = row.inverse[i];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float total = 0;
#pragma unroll
      for (int l = 0; l < 2; ++l)
        total += __half2float(__ushort_as_half(raw.d[r][l])) * static_cast<float>(256 * c[l][2 * r] + c[l][2 * r + 1]);
      sum[r] += total * inverse;
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

// An output's sum over a block's warps, in the first warp: two lanes an output, every second warp each. The bound is known
// when this is compiled, so that all loads go out at once: it is the end of a chain that every other warp waits for.
template <int kMaxWarp>
__device__ __forceinline__ float sum_warps(const float (&sums)[kMaxWarp][16], int n_warp) {
  const int o = threadIdx.x % 16;
  const int half = threadIdx.x / 16;
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kMaxWarp; w += 2)
    if (w + half < n_warp) sum += sums[w + half][o];
  return sum + __shfl_xor_sync(kFullWarp, sum, 16);
}

// A warp's own blocks of x, first .. first + kUnits - 1, from their loads to shared memory: no warp waits for another.
template <int kUnits>
struct OneInput {
  Eight x[kUnits], norm[kUnits];

  // The norm's weights come before the wait.
  __device__ __forceinline__ void load_norm(const float* weights, int cols, int first) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      if (weights == nullptr || first + u >= cols / 256) continue;
      const auto* p = reinterpret_cast<const float4*>(weights + 256 * (first + u) + first_column(threadIdx.x % 32));
      norm[u] = {__ldg(p), __ldg(p + 1)};
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
  // Puts x, or x times the norm's weights, where this warp finds it. The norm's scale is one number for all of the row: it
  // multiplies the products, and no warp waits for it before.
  __device__ __forceinline__ void put(const OneRow& row, int cols, int first, bool is_normed) const {
#pragma unroll
    for (int u = 0; u < kUnits; ++u)
      if (first + u < cols / 256) put_block(row, first + u, is_normed ? normalised(x[u], 1.0F, norm[u]) : x[u]);
    __syncwarp();
  }
  // rms_norm(x), for a trace.
  __device__ __forceinline__ void write_normalised(float* to, int cols, int first, float scale) const {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      if (first + u >= cols / 256) break;
      const Eight v = normalised(x[u], scale, norm[u]);
      auto* out = reinterpret_cast<float4*>(to + 256 * (first + u) + first_column(threadIdx.x % 32));
      out[0] = v.a;
      out[1] = v.b;
    }
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
