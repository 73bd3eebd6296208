// Owns what the tests know of the device's layouts (tensor.h): the file's blocks brought into them one column at a time,
// as plainly as it can be said, and each column read back the way a kernel's thread finds it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "quant/half.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace tercet::cuda {

// Where a quad finds a column: thread t at step s = 8 l + 4 hi + j, the i-th of its four.
struct Place {
  int l, hi, j, t, i;
  constexpr int column() const { return 128 * l + 64 * (t / 2) + 32 * hi + 16 * (t % 2) + 4 * j + i; }
};

// All 256, in the order of s, t, i.
constexpr std::array<Place, 256> all_places() {
  std::array<Place, 256> out{};
  size_t n = 0;
  for (int s = 0; s < 16; ++s)
    for (int t = 0; t < 4; ++t)
      for (int i = 0; i < 4; ++i) out[n++] = {s / 8, s / 4 % 2, s % 4, t, i};
  return out;
}

// One block's share of each plane.
struct PlanesQ6K {
  std::array<uint8_t, 192> quants{};
  std::array<int8_t, 16> scales{};
  uint16_t d = 0;
};
struct PlanesQ8 {
  std::array<uint8_t, 256> quants{};
  std::array<uint16_t, 8> d{};
};

// Level 0..63 of a column (quant/q6_k.h).
inline int level_in_file(const quant::BlockQ6K& block, int column) {
  const int h = column / 128;
  const int r = column / 32 % 4;
  const int i = column % 32;
  const int low = block.ql[64 * h + 32 * (r % 2) + i] >> (r < 2 ? 0 : 4) & 15;
  const int high = block.qh[32 * h + i] >> 2 * r & 3;
  return low | high << 4;
}

inline PlanesQ6K repack(const quant::BlockQ6K& block) {
  constexpr std::array<int, 4> kBitOf = {0, 2, 16, 18};
  PlanesQ6K out;
  std::memcpy(out.scales.data(), block.scales, sizeof block.scales);
  out.d = block.d;
  for (const Place& p : all_places()) {
    const int level = level_in_file(block, p.column());
    const auto byte = static_cast<size_t>(64 * p.l + 16 * p.t + 4 * p.j + p.i);
    out.quants[byte] = static_cast<uint8_t>(out.quants[byte] | (level & 15) << 4 * p.hi);
    const int bit = 4 * p.j + kBitOf[static_cast<size_t>(p.i)];  // within the word, whose bytes ascend
    const auto high = static_cast<size_t>(128 + 16 * p.t + 4 * (2 * p.l + p.hi) + bit / 8);
    out.quants[high] = static_cast<uint8_t>(out.quants[high] | (level >> 4) << bit % 8);
  }
  return out;
}

inline PlanesQ8 repack(const std::array<quant::BlockQ8_0, 8>& blocks) {
  PlanesQ8 out;
  for (size_t b = 0; b < 8; ++b) out.d[b] = blocks[b].d;
  for (const Place& p : all_places()) {
    const auto column = static_cast<size_t>(p.column());
    const auto byte = static_cast<size_t>(64 * (2 * p.l + p.hi) + 16 * p.t + 4 * p.j + p.i);
    out.quants[byte] = static_cast<uint8_t>(blocks[column / 32].q[column % 32]);
  }
  return out;
}

// The 32-bit word that a thread loads, bytes ascending from the low end.
inline uint32_t word_at(const uint8_t* bytes) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// As a kernel gets them, with quant's arithmetic.
inline float weight_at(const quant::BlockQ4K& block, const Place& p) {
  const quant::ScalesQ4K scales = quant::unpack_scales_q4_k(block.scales);
  const int sub_block = 4 * p.l + 2 * (p.t / 2) + p.hi;
  const int word_offset = 64 * p.l + 16 * p.t + 4 * p.j;  // behind the header of 16 bytes
  const auto level = word_at(block.qs + word_offset) >> (8 * p.i + 4 * p.hi) & 15;
  const float step = quant::half_to_float(block.d) * static_cast<float>(scales.scale[sub_block]);
  return step * static_cast<float>(level) -
         quant::half_to_float(block.dmin) * static_cast<float>(scales.min[sub_block]);
}

inline float weight_at(const PlanesQ6K& planes, const Place& p) {
  const uint32_t low = word_at(planes.quants.data() + 64 * p.l + 16 * p.t + 4 * p.j) >> (8 * p.i + 4 * p.hi) & 15;
  const uint32_t word = word_at(planes.quants.data() + 128 + 16 * p.t + 4 * (2 * p.l + p.hi));
  const uint32_t high = word >> (4 * p.j + 16 * (p.i / 2) + 2 * (p.i % 2)) & 3;
  const auto scale = planes.scales[static_cast<size_t>(8 * p.l + 4 * (p.t / 2) + 2 * p.hi + p.t % 2)];
  const float step = quant::half_to_float(planes.d) * static_cast<float>(scale);
  return step * static_cast<float>(static_cast<int>(low | high << 4) - 32);
}

inline float weight_at(const PlanesQ8& planes, const Place& p) {
  const uint32_t word = word_at(planes.quants.data() + 64 * (2 * p.l + p.hi) + 16 * p.t + 4 * p.j);
  const auto level = static_cast<int8_t>(word >> 8 * p.i);
  return static_cast<float>(level) * quant::half_to_float(planes.d[static_cast<size_t>(p.column() / 32)]);
}

}  // namespace tercet::cuda
