// Owns how activations reach the tensor cores: f32 rows become f16 in the canonical order of columns (tensor.h), each
// block of 256 of a row times a power of two that brings its largest value to 256..512, so that f16 neither overflows nor
// loses small rows. Rounding to f16 is a relative error of at most 2^-11 of an element, or 2^-33 of the block's largest.
#pragma once

#include "cuda/kernels/device.cuh"

namespace tercet::cuda {

// The first of the eight neighbouring columns of a block that lane (step pair, t) = (lane / 4, lane % 4) holds.
__device__ __forceinline__ int first_column(int lane) {
  const int pair = lane / 4;
  const int t = lane % 4;
  return 128 * (pair / 4) + 64 * (t / 2) + 32 * (pair / 2 % 2) + 16 * (t % 2) + 8 * (pair % 2);
}

struct Eight {
  float4 a, b;
};
__device__ __forceinline__ Eight load_eight(const float* p) {
  const auto* q = reinterpret_cast<const float4*>(p);
  return {__ldcg(q), __ldcg(q + 1)};
}
__device__ __forceinline__ float sum_of_squares(const Eight& v) {
  return v.a.x * v.a.x + v.a.y * v.a.y + v.a.z * v.a.z + v.a.w * v.a.w + v.b.x * v.b.x + v.b.y * v.b.y + v.b.z * v.b.z +
         v.b.w * v.b.w;
}
__device__ __forceinline__ float largest_magnitude(const Eight& v) {
  const float a = fmaxf(fmaxf(fabsf(v.a.x), fabsf(v.a.y)), fmaxf(fabsf(v.a.z), fabsf(v.a.w)));
  const float b = fmaxf(fmaxf(fabsf(v.b.x), fabsf(v.b.y)), fmaxf(fabsf(v.b.z), fabsf(v.b.w)));
  return fmaxf(a, b);
}
// x * scale * w, in this order, as everywhere that a row is normalised.
__device__ __forceinline__ Eight normalised(const Eight& v, float scale, const Eight& w) {
  return {{v.a.x * scale * w.a.x, v.a.y * scale * w.a.y, v.a.z * scale * w.a.z, v.a.w * scale * w.a.w},
          {v.b.x * scale * w.b.x, v.b.y * scale * w.b.y, v.b.z * scale * w.b.z, v.b.w * scale * w.b.w}};
}

// The power of two that brings `largest` into 256..512, and its inverse.
struct PowerOfTwo {
  float scale, inverse;
};
__device__ __forceinline__ PowerOfTwo to_f16_range(float largest) {
  const int exponent = max(__float_as_int(largest) >> 23, 16);  // biased; largest >= 0
  return {__int_as_float((262 - min(exponent, 254)) << 23), __int_as_float((min(exponent, 254) - 8) << 23)};
}

// Eight neighbours in the canonical order, as one load of two steps.
__device__ __forceinline__ uint4 to_f16(const Eight& v, float scale) {
  const auto pack = [scale](float x, float y) { return to_bits(__floats2half2_rn(x * scale, y * scale)); };
  return {pack(v.a.x, v.a.z), pack(v.a.y, v.a.w), pack(v.b.x, v.b.z), pack(v.b.y, v.b.w)};
}

__device__ __forceinline__ float rms_scale(float sum_of_squares, int dim, float eps) {
  return 1.0F / sqrtf(sum_of_squares / static_cast<float>(dim) + eps);
}

}  // namespace tercet::cuda
