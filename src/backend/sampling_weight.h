// Owns the arithmetic of weights that sampling is defined by (docs/sampling.md): integers, so that sums have the same bits
// in any order and on any device. For .cc and .cu alike; src/wgpu/kernels/weight.wgsl is the same in WGSL.
#pragma once

#include <cstdint>

namespace tercet::backend {

// A weight is 2^40 times the token's share of the most probable one's. A vocabulary of fewer than 2^24 tokens has a sum
// below 2^64.
inline constexpr int kWeightBits = 40;
inline constexpr uint64_t kWeightOfLargest = uint64_t{1} << kWeightBits;
inline constexpr int kMaxSampleBits = 24;

// Exponents are in units of 2^-24.
inline constexpr int kExponentBits = 24;
inline constexpr float kScaleOfOne = 0x1.715476p+24F;  // log2(e) in them: that of temperature 1

constexpr uint32_t mul_high(uint32_t a, uint32_t b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }

// 2^31 * 2^-x for x = fraction / 2^24 < 1: the minimax polynomial of degree 6 that is exact at 0, its coefficients in
// units of 2^-32. Of relative error below 2^-27, and it falls strictly.
constexpr uint32_t exp2_minus(uint32_t fraction) {
  const uint32_t x = fraction << 8;
  uint32_t t = 0x53B871 - mul_high(0x7346C, x);
  t = 0x273FAE0 - mul_high(t, x);
  t = 0xE34BE42 - mul_high(t, x);
  t = 0x3D7F5DDE - mul_high(t, x);
  t = 0xB1721670 - mul_high(t, x);
  return 0x8000'0000U - mul_high(t, x >> 1);
}

// 2^40 * 2^-(exponent / 2^24), rounded down: 0 for more than 40.
constexpr uint64_t weight_at(uint32_t exponent) {
  const uint32_t whole = exponent >> kExponentBits;
  if (whole > kWeightBits) return 0;
  const uint32_t fraction = exponent & ((1U << kExponentBits) - 1);
  return (uint64_t{exp2_minus(fraction)} << (kWeightBits - 31)) >> whole;
}

// The high half of the product.
constexpr uint64_t mul_high(uint64_t a, uint64_t b) {
  const uint64_t a0 = a & 0xFFFF'FFFF;
  const uint64_t a1 = a >> 32;
  const uint64_t b0 = b & 0xFFFF'FFFF;
  const uint64_t b1 = b >> 32;
  const uint64_t middle = a1 * b0 + ((a0 * b0) >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xFFFF'FFFF)) >> 32);
}

// A share of the sum in units of 2^-32 that a top-p below 1 never is.
inline constexpr uint32_t kNoTopP = ~0U;

// share * sum / 2^32, rounded up.
constexpr uint64_t part_of(uint64_t sum, uint32_t share) {
  return (sum >> 32) * share + (((sum & 0xFFFF'FFFF) * share + 0xFFFF'FFFF) >> 32);
}

}  // namespace tercet::backend
