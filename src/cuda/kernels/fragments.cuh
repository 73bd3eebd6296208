// Owns the way from quantized weights to the tensor cores' A operand: a struct for each layout of tensor.h. A lane
// (g = lane / 4, t = lane % 4) holds its share of rows g and g + 8 of a tile of 16 rows, for one block of 256 columns.
//
//   Head, Half                       what was loaded, not yet expanded: what all of a block needs, and what the steps
//                                    8 l .. 8 l + 7 need. Loads can be in flight long before they are used.
//   load_head(head, w, block)        `block`: of rows g and g + 8
//   load_half(half, w, block, l, t)
//   expand<l>(scales, head, half, t, up)    the scales of steps 8 l .. 8 l + 7
//   frag<l, hi, j>(a, head, half, scales)   the operand of step 8 l + 4 hi + j, times w.scale_up
//
// A weight is rounded to f16 twice: its scale, then scale times integer (plus minimum). Both are relative errors of at most 2^-11.
#pragma once

#include "cuda/kernels/device.cuh"
#include "cuda/tensor.h"

namespace tercet::cuda {

// (low half of x, high half) & mask on top of the f16 number 1024, whose last bit is worth 1.
__device__ __forceinline__ half2 as_1024_plus(uint32_t x, uint32_t mask) {
  return from_bits((x & mask) | 0x64006400U);
}

struct FragQ4K {
  struct Head {
    uint4 bytes[2];  // d, dmin, 12 bytes of scales; of rows g, g + 8
  };
  struct Half {
    uint4 q[2];  // of rows g, g + 8
  };
  struct Scales {
    half2 step[2][2], low[2][2];  // [row][hi], the same in both halves
  };

  static __device__ __forceinline__ void load_head(Head& head, const Tensor& w, const int64_t (&block)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) head.bytes[r] = load_weights(w.quants + block[r] * 144);
  }
  static __device__ __forceinline__ void load_half(Half& half, const Tensor& w, const int64_t (&block)[2], int l, int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) half.q[r] = load_weights(w.quants + block[r] * 144 + 16 + 64 * l + 16 * t);
  }

  // Two sub-blocks' 6-bit scales and minima at a time, a byte each (quant/q4_k.h: unpack_scales_q4_k).
  template <int l>
  static __device__ __forceinline__ void expand(Scales& s, const Head& head, const Half& half, int t, half2 up) {
    const int shift = 16 * (t / 2);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t a = head.bytes[r].y >> shift;
      const uint32_t b = head.bytes[r].z >> shift;
      const uint32_t c = head.bytes[r].w >> shift;
      const uint32_t scale = l == 0 ? a & 0x3F3F : (c & 0x0F0F) | ((a >> 2) & 0x3030);
      const uint32_t min = l == 0 ? b & 0x3F3F : ((c >> 4) & 0x0F0F) | ((b >> 2) & 0x3030);
      const half2 d = __hmul2(from_bits(head.bytes[r].x), up);  // d, dmin
      const half2 k1024 = from_bits(0x64006400U);
      const half2 scale2 = __hsub2(from_bits(__byte_perm(scale, 0x64, 0x4140)), k1024);
      const half2 min2 = __hsub2(from_bits(__byte_perm(min, 0x64, 0x4140)), k1024);
      const half2 step = __hmul2(scale2, __low2half2(d));
      const half2 low = __hmul2(min2, __high2half2(d));
      s.step[r][0] = __low2half2(step);
      s.step[r][1] = __high2half2(step);
      s.low[r][0] = __hneg2(__low2half2(low));
      s.low[r][1] = __hneg2(__high2half2(low));
    }
  }

  template <int l, int hi, int j>
  static __device__ __forceinline__ void frag(uint32_t (&a)[4], const Head& head, const Half& half, const Scales& s) {
    const half2 k1024 = from_bits(0x64006400U);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint4& q = half.q[r];
      const uint32_t word = (j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w) >> (4 * hi);
      const half2 even = __hsub2(as_1024_plus(word, 0x000F000FU), k1024);
      const half2 odd = __hsub2(as_1024_plus(word >> 8, 0x000F000FU), k1024);
      a[r] = to_bits(__hfma2(even, s.step[r][hi], s.low[r][hi]));
      a[2 + r] = to_bits(__hfma2(odd, s.step[r][hi], s.low[r][hi]));
    }
  }
};

struct FragQ6K {
  struct Head {
    uint4 high[2];  // of rows g, g + 8
    uint16_t d[2];
  };
  struct Half {
    uint4 low[2];
    uint32_t scales[2];  // four of the 16
  };
  struct Scales {
    half2 step[2][2];  // [row][hi]
  };

  static __device__ __forceinline__ void load_head(Head& head, const Tensor& w, const int64_t (&block)[2]) {
    const int t = threadIdx.x % 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      head.high[r] = load_weights(w.quants + block[r] * 192 + 128 + 16 * t);
      head.d[r] = __ldg(w.d + block[r]);
    }
  }
  static __device__ __forceinline__ void load_half(Half& half, const Tensor& w, const int64_t (&block)[2], int l, int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      half.low[r] = load_weights(w.quants + block[r] * 192 + 64 * l + 16 * t);
      half.scales[r] = __ldg(reinterpret_cast<const uint32_t*>(w.scales + block[r] * 16) + 2 * l + t / 2);
    }
  }

  template <int l>
  static __device__ __forceinline__ void expand(Scales& s, const Head& head, const Half& half, int t, half2 up) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const half2 d = __hmul2(__half2half2(__ushort_as_half(head.d[r])), up);
      const uint32_t bytes = ((half.scales[r] >> (8 * (t % 2))) & 0x00FF00FFU) ^ 0x00800080U;  // hi = 0, 1; plus 128
      const half2 scale = __hsub2(from_bits(bytes | 0x64006400U), from_bits(0x64806480U));      // minus 1152
      const half2 step = __hmul2(scale, d);
      s.step[r][0] = __low2half2(step);
      s.step[r][1] = __high2half2(step);
    }
  }

  // The bits of `word` from `at` on, moved to bit 4 of each half.
  template <int at>
  static __device__ __forceinline__ uint32_t to_bit_4(uint32_t word) {
    if constexpr (at <= 4)
      return word << (4 - at);
    else
      return word >> (at - 4);
  }

  template <int l, int hi, int j>
  static __device__ __forceinline__ void frag(uint32_t (&a)[4], const Head& head, const Half& half, const Scales& s) {
    const half2 k1056 = from_bits(0x64206420U);  // 1024 and Q6_K's offset of 32
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint4& q = half.low[r];
      const uint32_t word = (j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w) >> (4 * hi);
      const uint4& h = head.high[r];
      const uint32_t high = 2 * l + hi == 0 ? h.x : 2 * l + hi == 1 ? h.y : 2 * l + hi == 2 ? h.z : h.w;
      const uint32_t even = (word & 0x000F000FU) | (to_bit_4<4 * j>(high) & 0x00300030U);
      const uint32_t odd = ((word >> 8) & 0x000F000FU) | (to_bit_4<4 * j + 2>(high) & 0x00300030U);
      a[r] = to_bits(__hmul2(__hsub2(from_bits(even | 0x64006400U), k1056), s.step[r][hi]));
      a[2 + r] = to_bits(__hmul2(__hsub2(from_bits(odd | 0x64006400U), k1056), s.step[r][hi]));
    }
  }
};

struct FragQ8 {
  struct Head {
    uint4 d[2];  // eight halves; of rows g, g + 8
  };
  struct Half {
    uint4 q[2][2];  // [row][hi]
  };
  struct Scales {
    half2 step[2][2];  // [row][hi]
  };

  static __device__ __forceinline__ void load_head(Head& head, const Tensor& w, const int64_t (&block)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) head.d[r] = load_weights(w.d + block[r] * 8);
  }
  static __device__ __forceinline__ void load_half(Half& half, const Tensor& w, const int64_t (&block)[2], int l, int t) {
#pragma unroll
    for (int r = 0; r < 2; ++r)
#pragma unroll
      for (int hi = 0; hi < 2; ++hi)
        half.q[r][hi] = load_weights(w.quants + block[r] * 256 + 64 * (2 * l + hi) + 16 * t);
  }

  template <int l>
  static __device__ __forceinline__ void expand(Scales& s, const Head& head, const Half& half, int t, half2 up) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t first = l == 0 ? head.d[r].x : head.d[r].z;  // halves 4 l + 0, 1: columns of t < 2
      const uint32_t second = l == 0 ? head.d[r].y : head.d[r].w;
      const half2 d = __hmul2(from_bits(t < 2 ? first : second), up);
      s.step[r][0] = __low2half2(d);
      s.step[r][1] = __high2half2(d);
    }
  }

  template <int l, int hi, int j>
  static __device__ __forceinline__ void frag(uint32_t (&a)[4], const Head& head, const Half& half, const Scales& s) {
    const half2 k1152 = from_bits(0x64806480U);  // 1024 and the 128 that makes the bytes unsigned
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint4& q = half.q[r][hi];
      const uint32_t word = (j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w) ^ 0x80808080U;
      const half2 even = __hsub2(from_bits(__byte_perm(word, 0x64, 0x4240)), k1152);
      const half2 odd = __hsub2(from_bits(__byte_perm(word, 0x64, 0x4341)), k1152);
      a[r] = to_bits(__hmul2(even, s.step[r][hi]));
      a[2 + r] = to_bits(__hmul2(odd, s.step[r][hi]));
    }
  }
};

// Calls f<l, hi, j>(scales) for the steps 8 l .. 8 l + 7, two at a time: the activations of two steps are one load.
template <class Frag, int l, class F>
__device__ __forceinline__ void for_each_step_pair(const typename Frag::Head& head, const typename Frag::Half& half, int t,
                                                   half2 up, F&& f) {
  typename Frag::Scales s;
  Frag::template expand<l>(s, head, half, t, up);
  f.template operator()<l, 0, 0>(s);
  f.template operator()<l, 0, 2>(s);
  f.template operator()<l, 1, 0>(s);
  f.template operator()<l, 1, 2>(s);
}

}  // namespace tercet::cuda
