// Owns the primitives of the table for AVX2, FMA and F16C: eight lanes. simd_generic.h says what each one does.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "cpu/kernels/layout.h"

namespace tercet::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kDotChains = 4;
constexpr int kTileRows = 2;
constexpr int kTileCols = 2;
using Vi = __m256i;
using Vf = __m256;

TERCET_INLINE Vi vi_set1(int32_t v) { return _mm256_set1_epi32(v); }
TERCET_INLINE Vi vi_load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i_u*>(p)); }
TERCET_INLINE void vi_store(void* p, Vi v) { _mm256_storeu_si256(static_cast<__m256i_u*>(p), v); }
TERCET_INLINE Vi vi_and(Vi a, Vi b) { return _mm256_and_si256(a, b); }
TERCET_INLINE Vi vi_or(Vi a, Vi b) { return _mm256_or_si256(a, b); }
TERCET_INLINE Vi vi_xor(Vi a, Vi b) { return _mm256_xor_si256(a, b); }
TERCET_INLINE Vi vi_add(Vi a, Vi b) { return _mm256_add_epi32(a, b); }
TERCET_INLINE Vi vi_sub(Vi a, Vi b) { return _mm256_sub_epi32(a, b); }
TERCET_INLINE Vi vi_max(Vi a, Vi b) { return _mm256_max_epi32(a, b); }
template <int n>
TERCET_INLINE Vi vi_shl(Vi v) {
  return _mm256_slli_epi32(v, n);
}
template <int n>
TERCET_INLINE Vi vi_shr(Vi v) {
  return _mm256_srli_epi32(v, n);
}
template <int n>
TERCET_INLINE Vi vi_sar(Vi v) {
  return _mm256_srai_epi32(v, n);
}
TERCET_INLINE void vi_forget(Vi& v) { asm volatile("" : "+x"(v)); }

TERCET_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i_u*>(p)); }
TERCET_INLINE Vi load_u8(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadu_si64(p)); }
TERCET_INLINE Vi load_i8(const uint8_t* p) { return _mm256_cvtepi8_epi32(_mm_loadu_si64(p)); }
TERCET_INLINE Vi load_u16(const uint8_t* p) { return _mm256_cvtepu16_epi32(load_128(p)); }
TERCET_INLINE void store_low8(int8_t* p, Vi v) {
  const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(255));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  _mm_storeu_si64(p, _mm_packus_epi16(words, words));
}

// Rows 0..3 and 4..7 fill the two 128-bit halves, so that transposing within halves is all there is to do.
TERCET_INLINE void load4(const uint8_t* base, int64_t stride, Vi (&t)[4]) {
  Vi r[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const uint8_t* p = base + i * stride;
    r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load_128(p)), load_128(p + 4 * stride), 1);
  }
  const Vi a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
  const Vi c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
  t[0] = _mm256_unpacklo_epi64(a, c);
  t[1] = _mm256_unpackhi_epi64(a, c);
  t[2] = _mm256_unpacklo_epi64(b, d);
  t[3] = _mm256_unpackhi_epi64(b, d);
}
TERCET_INLINE Vi load_u16_rows(const uint8_t* base, int64_t stride) {
  uint16_t v[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) std::memcpy(&v[i], base + i * stride, sizeof v[i]);
  return _mm256_cvtepu16_epi32(_mm_set_epi16(
      static_cast<short>(v[7]), static_cast<short>(v[6]), static_cast<short>(v[5]), static_cast<short>(v[4]),
      static_cast<short>(v[3]), static_cast<short>(v[2]), static_cast<short>(v[1]), static_cast<short>(v[0])));
}

TERCET_INLINE Vf vf_set1(float v) { return _mm256_set1_ps(v); }
TERCET_INLINE Vf vf_load(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
TERCET_INLINE void vf_store(float* p, Vf v) { _mm256_storeu_ps(p, v); }
TERCET_INLINE Vf vf_add(Vf a, Vf b) { return _mm256_add_ps(a, b); }
TERCET_INLINE Vf vf_sub(Vf a, Vf b) { return _mm256_sub_ps(a, b); }
TERCET_INLINE Vf vf_mul(Vf a, Vf b) { return _mm256_mul_ps(a, b); }
TERCET_INLINE Vf vf_div(Vf a, Vf b) { return _mm256_div_ps(a, b); }
TERCET_INLINE Vf vf_fma(Vf a, Vf b, Vf c) { return _mm256_fmadd_ps(a, b, c); }
TERCET_INLINE Vf vf_fnma(Vf a, Vf b, Vf c) { return _mm256_fnmadd_ps(a, b, c); }
TERCET_INLINE Vf vf_min(Vf a, Vf b) { return _mm256_min_ps(a, b); }
TERCET_INLINE Vf vf_max(Vf a, Vf b) { return _mm256_max_ps(a, b); }
TERCET_INLINE Vi vf_bits(Vf v) { return _mm256_castps_si256(v); }
TERCET_INLINE Vf bits_vf(Vi v) { return _mm256_castsi256_ps(v); }
TERCET_INLINE Vi vf_to_int(Vf v) { return _mm256_cvtps_epi32(v); }
TERCET_INLINE Vf vi_to_float(Vi v) { return _mm256_cvtepi32_ps(v); }
TERCET_INLINE Vf f16_to_float(Vi v) {
  const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
  return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}
TERCET_INLINE Vf load_f16(const uint8_t* p) { return _mm256_cvtph_ps(load_128(p)); }
TERCET_INLINE void store_f16(uint8_t* p, Vf v) {
  _mm_storeu_si128(reinterpret_cast<__m128i_u*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
TERCET_INLINE float reduce_add(Vf v) {
  __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  a = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
TERCET_INLINE float reduce_max(Vf v) {
  __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  a = _mm_max_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}

// maddubs adds two products in 16 bits: 2 * 63 * 128 = 16,128 fits; 2 * 255 * 128 would not, so large weights are
// widened.
template <int kMaxWeight>
struct Dot {
  Vi total = _mm256_setzero_si256();
  TERCET_INLINE void mac(Vi w, Vi x) {
    Vi pairs;
    if constexpr (kMaxWeight <= 63) {
      pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
    } else {
      const Vi even =
          _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
      pairs = _mm256_add_epi32(even, _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8)));
    }
    total = _mm256_add_epi32(total, pairs);
  }
  TERCET_INLINE Vi sum() const { return total; }
};
// Eight steps of at most 2 * 15 * 128 still fit 16 bits (30,720), so these widen once at the end.
template <>
struct Dot<15> {
  Vi words = _mm256_setzero_si256();
  TERCET_INLINE void mac(Vi w, Vi x) { words = _mm256_add_epi16(words, _mm256_maddubs_epi16(w, x)); }
  TERCET_INLINE Vi sum() const { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }
};

}  // namespace
}  // namespace tercet::cpu
