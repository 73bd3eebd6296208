// Owns the arithmetic that the quantizers share. All of it is exactly rounded, so that a quantized block has the same
// bits on every machine.
#pragma once

#include <cmath>
#include <cstdint>

#include "quant/half.h"

namespace tercet::quant {

inline constexpr uint16_t kHalfNan = 0x7e00;

// The nearest whole number, ties to even, for |value| < 2^22. Adding 1.5 * 2^23 leaves no bits for a fraction; unlike
// std::rint it is inlined without SSE4.1.
inline float round_even(float value) {
  constexpr float kNoFraction = 12582912.0f;
  return (value + kNoFraction) - kNoFraction;
}

// The least half that is at least `value` >= 0: a block scale rounded upwards never makes its largest element clip.
// Infinity above 65504.
constexpr uint16_t half_at_least(float value) {
  const uint16_t nearest = float_to_half(value);
  return half_to_float(nearest) < value ? static_cast<uint16_t>(nearest + 1) : nearest;
}

// Neither infinity nor NaN anywhere in x[n].
inline bool all_finite(const float* x, int n) {
  bool finite = true;
  for (int i = 0; i < n; ++i) finite &= std::isfinite(x[i]);
  return finite;
}

}  // namespace tercet::quant
