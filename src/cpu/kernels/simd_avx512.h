// Owns the primitives of the table for AVX-512 with VNNI: sixteen lanes. simd_generic.h says what each one does.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/layout.h"

namespace tercet::cpu {
namespace {

constexpr int kLanes = 16;
constexpr int kDotChains = 8;
constexpr int kTileRows = 4;
constexpr int kTileCols = 4;
using Vi = __m512i;
using Vf = __m512;

TERCET_INLINE Vi vi_set1(int32_t v) { return _mm512_set1_epi32(v); }
TERCET_INLINE Vi vi_load(const void* p) { return _mm512_loadu_si512(p); }
TERCET_INLINE void vi_store(void* p, Vi v) { _mm512_storeu_si512(p, v); }
TERCET_INLINE Vi vi_and(Vi a, Vi b) { return _mm512_and_si512(a, b); }
TERCET_INLINE Vi vi_or(Vi a, Vi b) { return _mm512_or_si512(a, b); }
TERCET_INLINE Vi vi_xor(Vi a, Vi b) { return _mm512_xor_si512(a, b); }
TERCET_INLINE Vi vi_add(Vi a, Vi b) { return _mm512_add_epi32(a, b); }
TERCET_INLINE Vi vi_sub(Vi a, Vi b) { return _mm512_sub_epi32(a, b); }
TERCET_INLINE Vi vi_max(Vi a, Vi b) { return _mm512_max_epi32(a, b); }
template <int n>
TERCET_INLINE Vi vi_shl(Vi v) {
  return _mm512_slli_epi32(v, n);
}
template <int n>
TERCET_INLINE Vi vi_shr(Vi v) {
  return _mm512_srli_epi32(v, n);
}
template <int n>
TERCET_INLINE Vi vi_sar(Vi v) {
  return _mm512_srai_epi32(v, n);
}
TERCET_INLINE void vi_forget(Vi& v) { asm volatile("" : "+v"(v)); }

TERCET_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i_u*>(p)); }
TERCET_INLINE __m256i load_256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i_u*>(p)); }
TERCET_INLINE Vi load_u8(const uint8_t* p) { return _mm512_cvtepu8_epi32(load_128(p)); }
TERCET_INLINE Vi load_i8(const uint8_t* p) { return _mm512_cvtepi8_epi32(load_128(p)); }
TERCET_INLINE Vi load_u16(const uint8_t* p) { return _mm512_cvtepu16_epi32(load_256(p)); }
TERCET_INLINE void store_low8(int8_t* p, Vi v) {
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), _mm512_cvtepi32_epi8(v));
}

// Rows i, i + 4, i + 8, i + 12 fill the four 128-bit quarters, so that transposing within quarters is all there is to
// do.
TERCET_INLINE void load4(const uint8_t* base, int64_t stride, Vi (&t)[4]) {
  Vi r[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const uint8_t* p = base + i * stride;
    Vi v = _mm512_castsi128_si512(load_128(p));
    v = _mm512_inserti32x4(v, load_128(p + 4 * stride), 1);
    v = _mm512_inserti32x4(v, load_128(p + 8 * stride), 2);
    r[i] = _mm512_inserti32x4(v, load_128(p + 12 * stride), 3);
  }
  const Vi a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
  const Vi c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
  t[0] = _mm512_unpacklo_epi64(a, c);
  t[1] = _mm512_unpackhi_epi64(a, c);
  t[2] = _mm512_unpacklo_epi64(b, d);
  t[3] = _mm512_unpackhi_epi64(b, d);
}
TERCET_INLINE Vi load_u16_rows(const uint8_t* base, int64_t stride) {
  uint16_t v[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) std::memcpy(&v[i], base + i * stride, sizeof v[i]);
  const auto eight = [](const uint16_t* u) {
    return _mm_set_epi16(static_cast<short>(u[7]), static_cast<short>(u[6]), static_cast<short>(u[5]),
                         static_cast<short>(u[4]), static_cast<short>(u[3]), static_cast<short>(u[2]),
                         static_cast<short>(u[1]), static_cast<short>(u[0]));
  };
  return _mm512_cvtepu16_epi32(_mm256_set_m128i(eight(v + 8), eight(v)));
}

TERCET_INLINE Vf vf_set1(float v) { return _mm512_set1_ps(v); }
TERCET_INLINE Vf vf_load(const void* p) { return _mm512_loadu_ps(p); }
TERCET_INLINE void vf_store(float* p, Vf v) { _mm512_storeu_ps(p, v); }
TERCET_INLINE Vf vf_add(Vf a, Vf b) { return _mm512_add_ps(a, b); }
TERCET_INLINE Vf vf_sub(Vf a, Vf b) { return _mm512_sub_ps(a, b); }
TERCET_INLINE Vf vf_mul(Vf a, Vf b) { return _mm512_mul_ps(a, b); }
TERCET_INLINE Vf vf_div(Vf a, Vf b) { return _mm512_div_ps(a, b); }
TERCET_INLINE Vf vf_fma(Vf a, Vf b, Vf c) { return _mm512_fmadd_ps(a, b, c); }
TERCET_INLINE Vf vf_fnma(Vf a, Vf b, Vf c) { return _mm512_fnmadd_ps(a, b, c); }
TERCET_INLINE Vf vf_min(Vf a, Vf b) { return _mm512_min_ps(a, b); }
TERCET_INLINE Vf vf_max(Vf a, Vf b) { return _mm512_max_ps(a, b); }
TERCET_INLINE Vi vf_bits(Vf v) { return _mm512_castps_si512(v); }
TERCET_INLINE Vf bits_vf(Vi v) { return _mm512_castsi512_ps(v); }
TERCET_INLINE Vi vf_to_int(Vf v) { return _mm512_cvtps_epi32(v); }
TERCET_INLINE Vf vi_to_float(Vi v) { return _mm512_cvtepi32_ps(v); }
TERCET_INLINE Vf f16_to_float(Vi v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
TERCET_INLINE Vf load_f16(const uint8_t* p) { return _mm512_cvtph_ps(load_256(p)); }
TERCET_INLINE void store_f16(uint8_t* p, Vf v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
TERCET_INLINE float reduce_add(Vf v) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 a = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
TERCET_INLINE float reduce_max(Vf v) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 a = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  a = _mm_max_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}

template <int kMaxWeight>
struct Dot {
  Vi total = _mm512_setzero_si512();
  TERCET_INLINE void mac(Vi w, Vi x) { total = _mm512_dpbusd_epi32(total, w, x); }
  TERCET_INLINE Vi sum() const { return total; }
};

}  // namespace
}  // namespace tercet::cpu
