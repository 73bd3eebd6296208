// Owns the conversions between float and the two 16-bit floats, on bits, so that they are the same on every machine:
// exact upwards, round to nearest and ties to even downwards, subnormals kept. NaNs as numpy and gguf treat them.
#pragma once

#include <bit>
#include <cstdint>

namespace tercet::quant {

// IEEE binary16 to float. A NaN keeps its sign and its payload's bits.
constexpr float half_to_float(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (magnitude << 13));
  if (magnitude < 0x0400) {
    // Subnormal: a whole number of 2^-24, which a float holds exactly.
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(static_cast<float>(magnitude) * 0x1p-24f));
  }
  constexpr uint32_t kRebias = (127 - 15) << 23;
  return std::bit_cast<float>(sign | ((magnitude << 13) + kRebias));
}

// Float to IEEE binary16. Values from 65520 on become infinity. A NaN keeps its sign and its payload's upper bits, or
// gets a payload of 1 where those are all zero, as in numpy.
constexpr uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000) {
    const uint32_t payload = (magnitude & 0x7fffffu) >> 13;
    return static_cast<uint16_t>(sign | 0x7c00 | (payload == 0 ? 1 : payload));
  }
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {
    // Below 2^-14. The last bit of a float in [0.5, 1) weighs 2^-24, as a subnormal half's does, so this sum rounds for
    // us.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3f000000u));
  }
  constexpr uint32_t kRebias = (127 - 15) << 23;
  const uint32_t to_even = 0xfffu + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((magnitude + to_even - kRebias) >> 13));
}

// bfloat16, the upper half of a float, to float.
constexpr float bfloat_to_float(uint16_t bfloat) { return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16); }

// Float to bfloat16. A NaN becomes quiet and keeps the rest of its upper half.
constexpr uint16_t float_to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace tercet::quant
