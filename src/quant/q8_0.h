// Owns Q8_0: 32 signed bytes with one scale. 8.5 bits an element.
#pragma once

#include <algorithm>
#include <cmath>

#include "quant/format.h"
#include "quant/half.h"
#include "quant/rounding.h"

namespace tercet::quant {

// x[i] = q[i] * d
struct BlockQ8_0 {
  uint16_t d;  // half
  int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

struct Q8_0 {
  static constexpr Type kType = Type::kQ8_0;
  static constexpr std::string_view kName = "Q8_0";
  static constexpr int kBlockSize = 32;
  using Block = BlockQ8_0;

  static void dequantize(float* y, const Block& block) {
    const float d = half_to_float(block.d);
    for (int i = 0; i < kBlockSize; ++i) y[i] = static_cast<float>(block.q[i]) * d;
  }

  // d = max |x| / 127 and q = x / d, halves away from zero: the bits that the gguf package gives. The q follow from the
  // float d, so the half's rounding costs up to 127 * d * 2^-11 beyond half a step.
  static void quantize(Block& block, const float* x) {
    block = {};
    if (!all_finite(x, kBlockSize)) {
      block.d = kHalfNan;
      return;
    }
    float largest = 0;
    for (int i = 0; i < kBlockSize; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float d = largest / 127.0f;
    block.d = float_to_half(d);
    const float inverse = 1.0f / d;
    if (!std::isfinite(inverse)) return;  // d below 2^-128, which a half holds as zero in any case
    for (int i = 0; i < kBlockSize; ++i) block.q[i] = static_cast<int8_t>(std::round(x[i] * inverse));
  }
};
static_assert(BlockFormat<Q8_0>);

}  // namespace tercet::quant
