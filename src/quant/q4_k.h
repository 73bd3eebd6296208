// Owns Q4_K: 256 elements in 8 sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum, which two halves scale in
// turn. 4.5 bits an element.
#pragma once

#include <algorithm>
#include <cmath>

#include "quant/format.h"
#include "quant/half.h"
#include "quant/rounding.h"

namespace tercet::quant {

// x[32 * s + i] = (d * scale[s]) * q[32 * s + i] - (dmin * min[s])
struct BlockQ4K {
  uint16_t d;          // half
  uint16_t dmin;       // half
  uint8_t scales[12];  // 8 scales and 8 minima, 6 bits each: see unpack_scales_q4_k()
  uint8_t qs[128];  // byte 32 * p + i: element i of sub-block 2p in the low nibble, of sub-block 2p + 1 in the high one
};
static_assert(sizeof(BlockQ4K) == 144);

struct ScalesQ4K {
  uint8_t scale[8];  // 0..63
  uint8_t min[8];    // 0..63
};

// For s < 4, byte s holds scale[s] in its low six bits and byte 4 + s holds min[s]. Their two high bits are the high
// bits of scale[4 + s] and min[4 + s], whose low four share byte 8 + s (scale in the low nibble, min in the high one).
constexpr ScalesQ4K unpack_scales_q4_k(const uint8_t (&packed)[12]) {
  ScalesQ4K out{};
  for (int s = 0; s < 4; ++s) {
    out.scale[s] = packed[s] & 63;
    out.min[s] = packed[4 + s] & 63;
    out.scale[4 + s] = static_cast<uint8_t>((packed[8 + s] & 15) | ((packed[s] >> 6) << 4));
    out.min[4 + s] = static_cast<uint8_t>((packed[8 + s] >> 4) | ((packed[4 + s] >> 6) << 4));
  }
  return out;
}

constexpr void pack_scales_q4_k(uint8_t (&packed)[12], const ScalesQ4K& in) {
  for (int s = 0; s < 4; ++s) {
    packed[s] = static_cast<uint8_t>(in.scale[s] | ((in.scale[4 + s] >> 4) << 6));
    packed[4 + s] = static_cast<uint8_t>(in.min[s] | ((in.min[4 + s] >> 4) << 6));
    packed[8 + s] = static_cast<uint8_t>((in.scale[4 + s] & 15) | ((in.min[4 + s] & 15) << 4));
  }
}

struct Q4_K {
  static constexpr Type kType = Type::kQ4_K;
  static constexpr std::string_view kName = "Q4_K";
  static constexpr int kBlockSize = 256;
  static constexpr int kSubBlockSize = 32;
  static constexpr int kSubBlocks = 8;
  using Block = BlockQ4K;

  // The products are exact (11 + 6 + 4 bits); only the subtraction rounds.
  static void dequantize(float* y, const Block& block) {
    const float d = half_to_float(block.d);
    const float dmin = half_to_float(block.dmin);
    const ScalesQ4K scales = unpack_scales_q4_k(block.scales);
    for (int s = 0; s < kSubBlocks; ++s) {
      const float step = d * static_cast<float>(scales.scale[s]);
      const float low = dmin * static_cast<float>(scales.min[s]);
      const uint8_t* qs = block.qs + (s / 2) * kSubBlockSize;
      const int shift = (s % 2) * 4;
      for (int i = 0; i < kSubBlockSize; ++i) {
        const int q = (qs[i] >> shift) & 15;
        y[s * kSubBlockSize + i] = step * static_cast<float>(q) - low;
      }
    }
  }

  // Scales and minima are rounded upwards, so that the 16 levels of a sub-block span its values and zero: no element
  // clips, and each is off by at most half a step of its sub-block (and float rounding).
  static void quantize(Block& block, const float* x) {
    block = {};
    ScalesQ4K scales{};
    if (!all_finite(x, kBlockSize) || !choose_scales(block, scales, x)) {
      block.d = kHalfNan;
      return;
    }
    pack_scales_q4_k(block.scales, scales);
    const float d = half_to_float(block.d);
    const float dmin = half_to_float(block.dmin);
    for (int s = 0; s < kSubBlocks; ++s) {
      const float step = d * static_cast<float>(scales.scale[s]);
      if (step == 0) continue;
      const float low = dmin * static_cast<float>(scales.min[s]);
      uint8_t* qs = block.qs + (s / 2) * kSubBlockSize;
      const int shift = (s % 2) * 4;
      for (int i = 0; i < kSubBlockSize; ++i) {
        const float q = std::clamp(round_even((x[s * kSubBlockSize + i] + low) / step), 0.0f, 15.0f);
        qs[i] = static_cast<uint8_t>(qs[i] | (static_cast<int>(q) << shift));
      }
    }
  }

 private:
  // The minima first, since the scales must cover what rounding them up adds. False if either scale is too large for a
  // half.
  static bool choose_scales(Block& block, ScalesQ4K& scales, const float* x) {
    float minimum[kSubBlocks] = {};  // how far below zero, >= 0
    float span[kSubBlocks] = {};     // the largest element, >= 0; then its distance from the lowest level
    for (int s = 0; s < kSubBlocks; ++s) {
      for (int i = 0; i < kSubBlockSize; ++i) {
        minimum[s] = std::max(minimum[s], -x[s * kSubBlockSize + i]);
        span[s] = std::max(span[s], x[s * kSubBlockSize + i]);
      }
    }
    block.dmin = half_at_least(*std::max_element(minimum, minimum + kSubBlocks) / 63.0f);
    const float dmin = half_to_float(block.dmin);
    if (!std::isfinite(dmin)) return false;
    for (int s = 0; s < kSubBlocks; ++s) {
      scales.min[s] = units_at_least(minimum[s], dmin);
      span[s] += dmin * static_cast<float>(scales.min[s]);
    }
    block.d = half_at_least(*std::max_element(span, span + kSubBlocks) / (15.0f * 63.0f));
    const float d = half_to_float(block.d);
    if (!std::isfinite(d)) return false;
    for (int s = 0; s < kSubBlocks; ++s) scales.scale[s] = units_at_least(span[s] / 15.0f, d);
    return true;
  }

  // The least n <= 63 with n * unit >= value, but for float rounding; 0 for a unit of 0.
  static uint8_t units_at_least(float value, float unit) {
    return unit == 0 ? uint8_t{0} : static_cast<uint8_t>(std::min(std::ceil(value / unit), 63.0f));
  }
};
static_assert(BlockFormat<Q4_K>);

}  // namespace tercet::quant
