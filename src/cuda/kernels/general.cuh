// Owns the product that takes any format as the file has it, and f32 activations: what the exact mode runs, and the other
// modes for formats without fragments.
//
//   y[n, o] = sum_k W[o, k] x[n, k]
//   x: [n, cols] f32   W: quantized, layout kFile   y: f32
//   launch: a warp for a weight row and up to 8 rows of activations   shared: none
//   sum: f32, 32 lanes each in the order of k with fused multiply-adds, then a fixed tree: the same for every row, so
//   neither chunking nor company changes a bit
//   bound: (cols / 32 + 5) 2^-24 of the sum of magnitudes, and less by far where signs mix
//   cost: some 20 instructions a weight: bound by arithmetic
#pragma once

#include "cuda/kernels/device.cuh"
#include "cuda/tensor.h"

namespace tercet::cuda {

// Element k of a row in the file's bytes: the definitions of src/quant, bit for bit. A further format is one more struct
// and one line in with_format().
struct ElementF32 {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    return __ldg(reinterpret_cast<const float*>(row) + k);
  }
};
struct ElementF16 {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    return __half2float(__ldg(reinterpret_cast<const half*>(row) + k));
  }
};
struct ElementBF16 {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    return __uint_as_float(static_cast<uint32_t>(__ldg(reinterpret_cast<const uint16_t*>(row) + k)) << 16);
  }
};
struct ElementQ8_0 {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    const uint8_t* block = row + k / 32 * 34;
    const float d = __half2float(*reinterpret_cast<const half*>(block));
    return __fmul_rn(static_cast<float>(static_cast<int8_t>(__ldg(block + 2 + k % 32))), d);
  }
};
struct ElementQ4K {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    const uint8_t* block = row + k / 256 * 144;
    const int i = k % 256;
    const int s = i / 32;
    const half2 d = *reinterpret_cast<const half2*>(block);
    const uint8_t* packed = block + 4;
    int scale = __ldg(packed + s % 4 + (s < 4 ? 0 : 8));
    int min = 0;
    if (s < 4) {
      scale &= 63;
      min = __ldg(packed + 4 + s) & 63;
    } else {
      min = (scale >> 4) | (__ldg(packed + s) >> 6 << 4);
      scale = (scale & 15) | (__ldg(packed + s - 4) >> 6 << 4);
    }
    const int q = (__ldg(block + 16 + 32 * (s / 2) + i % 32) >> (s % 2 * 4)) & 15;
    const float step = __fmul_rn(__low2float(d), static_cast<float>(scale));
    const float low = __fmul_rn(__high2float(d), static_cast<float>(min));
    return __fsub_rn(__fmul_rn(step, static_cast<float>(q)), low);
  }
};
struct ElementQ6K {
  static __device__ __forceinline__ float at(const uint8_t* row, int k) {
    const uint8_t* block = row + k / 256 * 210;
    const int i = k % 256;
    const int h = i / 128;
    const int r = i % 128 / 32;
    const int low = (__ldg(block + 64 * h + 32 * (r % 2) + i % 32) >> (r / 2 * 4)) & 15;
    const int high = (__ldg(block + 128 + 32 * h + i % 32) >> (2 * r)) & 3;
    const float d = __half2float(*reinterpret_cast<const half*>(block + 208));
    const float step = __fmul_rn(d, static_cast<float>(static_cast<int8_t>(__ldg(block + 192 + i / 16))));
    return __fmul_rn(step, static_cast<float>((low | (high << 4)) - 32));
  }
};

__host__ __device__ constexpr int64_t file_row_bytes(uint32_t type, int cols) {
  switch (type) {
    case 0: return int64_t{cols} * 4;
    case 1:
    case 30: return int64_t{cols} * 2;
    case 8: return int64_t{cols} / 32 * 34;
    case 12: return int64_t{cols} / 256 * 144;
    case 14: return int64_t{cols} / 256 * 210;
    default: return 0;
  }
}

template <class F>
__device__ __forceinline__ void with_format(uint32_t type, F&& f) {
  switch (type) {
    case 0: f.template operator()<ElementF32>(); break;
    case 1: f.template operator()<ElementF16>(); break;
    case 30: f.template operator()<ElementBF16>(); break;
    case 8: f.template operator()<ElementQ8_0>(); break;
    case 12: f.template operator()<ElementQ4K>(); break;
    case 14: f.template operator()<ElementQ6K>(); break;
    default: break;
  }
}

// sum[r] = W[o] . x_r for r < n <= 8, in every lane.
template <class Element, class RowOf>
__device__ __forceinline__ void general_dot(float (&sum)[8], const uint8_t* row, int cols, int n, RowOf&& row_of) {
#pragma unroll
  for (int r = 0; r < 8; ++r) sum[r] = 0;
  for (int k = threadIdx.x % 32; k < cols; k += 32) {
    const float w = Element::at(row, k);
#pragma unroll
    for (int r = 0; r < 8; ++r)
      if (r < n) sum[r] = fmaf(w, __ldcg(row_of(r) + k), sum[r]);
  }
#pragma unroll
  for (int r = 0; r < 8; ++r)
    if (r < n) sum[r] = warp_sum(sum[r]);
}

}  // namespace tercet::cuda
