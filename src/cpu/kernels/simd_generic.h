// Owns the primitives of the table that runs anywhere: one lane, plain C++. They define what the other two must give.
//   Vi, Vf: kLanes 32-bit integers (wrapping around) or floats.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>

#include "cpu/kernels/layout.h"
#include "quant/half.h"

namespace tercet::cpu {
namespace {

constexpr int kLanes = 1;
constexpr int kDotChains = 1;  // independent dot products that a tile keeps in flight
constexpr int kTileRows = 1;   // rows of weights and of activations in a float tile
constexpr int kTileCols = 1;
using Vi = uint32_t;
using Vf = float;

TERCET_INLINE Vi vi_set1(int32_t v) { return static_cast<Vi>(v); }
TERCET_INLINE Vi vi_load(const void* p) {
  Vi v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
TERCET_INLINE void vi_store(void* p, Vi v) { std::memcpy(p, &v, sizeof v); }
TERCET_INLINE Vi vi_and(Vi a, Vi b) { return a & b; }
TERCET_INLINE Vi vi_or(Vi a, Vi b) { return a | b; }
TERCET_INLINE Vi vi_xor(Vi a, Vi b) { return a ^ b; }
TERCET_INLINE Vi vi_add(Vi a, Vi b) { return a + b; }
TERCET_INLINE Vi vi_sub(Vi a, Vi b) { return a - b; }
TERCET_INLINE Vi vi_max(Vi a, Vi b) { return static_cast<int32_t>(a) > static_cast<int32_t>(b) ? a : b; }
template <int n>
TERCET_INLINE Vi vi_shl(Vi v) {
  return v << n;
}
template <int n>
TERCET_INLINE Vi vi_shr(Vi v) {
  return v >> n;
}
template <int n>
TERCET_INLINE Vi vi_sar(Vi v) {
  return static_cast<Vi>(static_cast<int32_t>(v) >> n);
}
// The compiler no longer knows what it holds.
TERCET_INLINE void vi_forget(Vi& v) { asm volatile("" : "+r"(v)); }

// kLanes consecutive bytes or 16-bit words, widened.
TERCET_INLINE Vi load_u8(const uint8_t* p) { return *p; }
TERCET_INLINE Vi load_i8(const uint8_t* p) { return static_cast<Vi>(static_cast<int32_t>(static_cast<int8_t>(*p))); }
TERCET_INLINE Vi load_u16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
// The low byte of each lane.
TERCET_INLINE void store_low8(int8_t* p, Vi v) { *p = static_cast<int8_t>(static_cast<uint8_t>(v)); }

// One row a lane, `stride` bytes apart: 16 bytes of each row as four vectors; a 16-bit word of each row, widened.
TERCET_INLINE void load4(const uint8_t* base, int64_t, Vi (&t)[4]) {
  for (int i = 0; i < 4; ++i) t[i] = vi_load(base + 4 * i);
}
TERCET_INLINE Vi load_u16_rows(const uint8_t* base, int64_t) { return load_u16(base); }

TERCET_INLINE Vf vf_set1(float v) { return v; }
TERCET_INLINE Vf vf_load(const void* p) {
  Vf v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
TERCET_INLINE void vf_store(float* p, Vf v) { *p = v; }
TERCET_INLINE Vf vf_add(Vf a, Vf b) { return a + b; }
TERCET_INLINE Vf vf_sub(Vf a, Vf b) { return a - b; }
TERCET_INLINE Vf vf_mul(Vf a, Vf b) { return a * b; }
TERCET_INLINE Vf vf_div(Vf a, Vf b) { return a / b; }
TERCET_INLINE Vf vf_fma(Vf a, Vf b, Vf c) { return std::fma(a, b, c); }    // a * b + c
TERCET_INLINE Vf vf_fnma(Vf a, Vf b, Vf c) { return std::fma(-a, b, c); }  // c - a * b
// As x86 has them: b where either is NaN.
TERCET_INLINE Vf vf_min(Vf a, Vf b) { return a < b ? a : b; }
TERCET_INLINE Vf vf_max(Vf a, Vf b) { return a > b ? a : b; }
TERCET_INLINE Vi vf_bits(Vf v) { return std::bit_cast<Vi>(v); }
TERCET_INLINE Vf bits_vf(Vi v) { return std::bit_cast<Vf>(v); }
// To the nearest integer, ties to even; for |v| < 2^31, any value for others.
TERCET_INLINE Vi vf_to_int(Vf v) {
  if (!(std::fabs(v) < 0x1p31f)) return 0x80000000;
  return static_cast<Vi>(static_cast<int32_t>(std::nearbyint(v)));
}
TERCET_INLINE Vf vi_to_float(Vi v) { return static_cast<float>(static_cast<int32_t>(v)); }
TERCET_INLINE Vf f16_to_float(Vi v) { return quant::half_to_float(static_cast<uint16_t>(v)); }  // upper half ignored
TERCET_INLINE Vf load_f16(const uint8_t* p) { return f16_to_float(load_u16(p)); }
TERCET_INLINE void store_f16(uint8_t* p, Vf v) {
  const uint16_t half = quant::float_to_half(v);
  std::memcpy(p, &half, sizeof half);
}
// Halves are folded onto each other: lane i takes lane i + n/2, until one is left.
TERCET_INLINE float reduce_add(Vf v) { return v; }
TERCET_INLINE float reduce_max(Vf v) { return v; }

// Sums of products of four unsigned weights (at most kMaxWeight) and four signed bytes a lane; at most 8 steps for
// weights of up to 15, 4 for those of up to 63.
template <int kMaxWeight>
struct Dot {
  Vi total = 0;
  TERCET_INLINE void mac(Vi w, Vi x) {
    for (int i = 0; i < 32; i += 8) {
      total +=
          static_cast<Vi>(static_cast<int32_t>((w >> i) & 255) * static_cast<int8_t>(static_cast<uint8_t>(x >> i)));
    }
  }
  TERCET_INLINE Vi sum() const { return total; }
};

}  // namespace
}  // namespace tercet::cpu
