// Owns Q6_K: 256 elements in 16 sub-blocks of 16, each with a signed 8-bit scale, which one half scales in turn.
// 6.5625 bits an element.
#pragma once

#include <algorithm>
#include <cmath>

#include "quant/format.h"
#include "quant/half.h"
#include "quant/rounding.h"

namespace tercet::quant {

// x[16 * s + i] = (d * scale[s]) * (q[16 * s + i] - 32), q in 0..63.
// The elements lie in two halves of 128, each in four rows of 32: element 128 * h + 32 * r + i has
//   its low four bits in ql[64 * h + 32 * (r % 2) + i], the low nibble for r < 2, the high one for r >= 2,
//   its high two bits in qh[32 * h + i], at bit 2 * r.
struct BlockQ6K {
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;  // half
};
static_assert(sizeof(BlockQ6K) == 210);

struct Q6_K {
  static constexpr Type kType = Type::kQ6_K;
  static constexpr std::string_view kName = "Q6_K";
  static constexpr int kBlockSize = 256;
  static constexpr int kSubBlockSize = 16;
  static constexpr int kSubBlocks = 16;
  using Block = BlockQ6K;

  // Exact: 11 + 7 + 6 bits.
  static void dequantize(float* y, const Block& block) {
    const float d = half_to_float(block.d);
    for (int row = 0; row < 8; ++row) {
      const Row at = row_of(row);
      for (int i = 0; i < 32; ++i) {
        const int sub_block = 2 * row + i / kSubBlockSize;
        const float step = d * static_cast<float>(block.scales[sub_block]);
        const int low = (block.ql[at.ql + i] >> at.ql_shift) & 15;
        const int high = (block.qh[at.qh + i] >> at.qh_shift) & 3;
        y[row * 32 + i] = step * static_cast<float>((low | (high << 4)) - 32);
      }
    }
  }

  // Levels -31..31 of a step that is rounded upwards: no element clips, and each is off by at most half a step of its
  // sub-block (and float rounding).
  static void quantize(Block& block, const float* x) {
    block = {};
    float step[kSubBlocks];
    if (!all_finite(x, kBlockSize) || !choose_scales(block, step, x)) {
      block.d = kHalfNan;
      std::fill_n(block.scales, kSubBlocks, int8_t{1});
      return;
    }
    for (int row = 0; row < 8; ++row) {
      const Row at = row_of(row);
      for (int i = 0; i < 32; ++i) {
        const float unit = step[2 * row + i / kSubBlockSize];
        const float level = unit == 0 ? 0 : round_even(x[row * 32 + i] / unit);
        const int q = static_cast<int>(std::clamp(level, -32.0f, 31.0f)) + 32;
        block.ql[at.ql + i] = static_cast<uint8_t>(block.ql[at.ql + i] | ((q & 15) << at.ql_shift));
        block.qh[at.qh + i] = static_cast<uint8_t>(block.qh[at.qh + i] | ((q >> 4) << at.qh_shift));
      }
    }
  }

 private:
  // Where the 32 elements of one of the 8 rows lie.
  struct Row {
    int ql, ql_shift, qh, qh_shift;
  };
  static constexpr Row row_of(int row) {
    const int half = row / 4;
    const int r = row % 4;
    return {64 * half + 32 * (r % 2), 4 * (r / 2), 32 * half, 2 * r};
  }

  // Fills d, scales and the steps that they give. False if d is too large for a half.
  static bool choose_scales(Block& block, float (&step)[kSubBlocks], const float* x) {
    float wanted[kSubBlocks] = {};
    for (int s = 0; s < kSubBlocks; ++s) {
      for (int i = 0; i < kSubBlockSize; ++i) wanted[s] = std::max(wanted[s], std::fabs(x[s * kSubBlockSize + i]));
      wanted[s] /= 31.0f;
    }
    block.d = half_at_least(*std::max_element(wanted, wanted + kSubBlocks) / 127.0f);
    const float d = half_to_float(block.d);
    if (!std::isfinite(d)) return false;
    for (int s = 0; s < kSubBlocks; ++s) {
      block.scales[s] = d == 0 ? int8_t{0} : static_cast<int8_t>(std::min(std::ceil(wanted[s] / d), 127.0f));
      step[s] = d * static_cast<float>(block.scales[s]);
    }
    return true;
  }
};
static_assert(BlockFormat<Q6_K>);

}  // namespace tercet::quant
