#include "wgpu/repack.h"

#include <cstring>

#include "base/check.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace tercet::wgpu {
namespace {

using quant::Type;

// Of 32 levels below 16: byte b of word w has column 8 w + b in its low nibble and column 8 w + 4 + b in the high one.
void pack_nibbles(std::byte* to, const uint8_t (&level)[32]) {
  for (int w = 0; w < 4; ++w)
    for (int b = 0; b < 4; ++b) to[4 * w + b] = static_cast<std::byte>(level[8 * w + b] | (level[8 * w + 4 + b] << 4));
}

// Header: d and dmin; then of sub-block s the scale and the minimum's two low bits in byte s, and four bits more of the
// minimum in nibble s behind those bytes.
void repack_q4_k(const std::byte* from, int64_t n_block, std::byte* levels, std::byte* headers) {
  for (int64_t i = 0; i < n_block; ++i) {
    quant::BlockQ4K block;
    std::memcpy(&block, from + i * static_cast<int64_t>(sizeof block), sizeof block);
    const quant::ScalesQ4K scales = quant::unpack_scales_q4_k(block.scales);
    uint8_t header[16] = {};
    std::memcpy(header, &block.d, 2);
    std::memcpy(header + 2, &block.dmin, 2);
    for (int s = 0; s < 8; ++s) {
      header[4 + s] = static_cast<uint8_t>(scales.scale[s] | ((scales.min[s] & 3) << 6));
      header[12 + s / 2] = static_cast<uint8_t>(header[12 + s / 2] | ((scales.min[s] >> 2) << (4 * (s % 2))));
    }
    std::memcpy(headers + 16 * i, header, 16);
    for (int s = 0; s < 8; ++s) {
      uint8_t level[32];
      for (int j = 0; j < 32; ++j) level[j] = (block.qs[32 * (s / 2) + j] >> (4 * (s % 2))) & 15;
      pack_nibbles(levels + 16 * (8 * i + s), level);
    }
  }
}

// The high bits: byte b of word v has column 16 v + 4 f + b at bit 2 f.
void repack_q6_k(const std::byte* from, int64_t n_block, const std::array<std::byte*, 4>& planes) {
  for (int64_t i = 0; i < n_block; ++i) {
    quant::BlockQ6K block;
    std::memcpy(&block, from + i * static_cast<int64_t>(sizeof block), sizeof block);
    for (int unit = 0; unit < 8; ++unit) {
      const int half = unit / 4;
      const int row = unit % 4;
      uint8_t low[32];
      uint8_t high[8] = {};
      for (int j = 0; j < 32; ++j) {
        low[j] = (block.ql[64 * half + 32 * (row % 2) + j] >> (4 * (row / 2))) & 15;
        const int bits = (block.qh[32 * half + j] >> (2 * row)) & 3;
        uint8_t& to = high[4 * (j / 16) + j % 4];
        to = static_cast<uint8_t>(to | (bits << (2 * (j % 16 / 4))));
      }
      pack_nibbles(planes[0] + 16 * (8 * i + unit), low);
      std::memcpy(planes[1] + 8 * (8 * i + unit), high, 8);
    }
    std::memcpy(planes[2] + 16 * i, block.scales, 16);
    std::memcpy(planes[3] + 2 * i, &block.d, 2);
  }
}

void repack_q8_0(const std::byte* from, int64_t n_block, std::byte* levels, std::byte* scales) {
  for (int64_t i = 0; i < n_block; ++i) {
    quant::BlockQ8_0 block;
    std::memcpy(&block, from + i * static_cast<int64_t>(sizeof block), sizeof block);
    std::memcpy(levels + 32 * i, block.q, 32);
    std::memcpy(scales + 2 * i, &block.d, 2);
  }
}

}  // namespace

PlaneBytes plane_bytes(Type type) {
  switch (type) {
    case Type::kQ4_K: return {2, {16, 16}, {32, 256}};
    case Type::kQ6_K: return {4, {16, 8, 16, 2}, {32, 32, 256, 256}};
    case Type::kQ8_0: return {2, {32, 2}, {32, 32}};
    case Type::kF16:
    case Type::kBF16: return {1, {64}, {32}};
    default: break;
  }
  CHECK(type == Type::kF32);
  return {1, {128}, {32}};
}

void repack(Type type, const std::byte* from, int64_t n_column, std::array<std::byte*, 4> planes) {
  switch (type) {
    case Type::kQ4_K: return repack_q4_k(from, n_column / 256, planes[0], planes[1]);
    case Type::kQ6_K: return repack_q6_k(from, n_column / 256, planes);
    case Type::kQ8_0: return repack_q8_0(from, n_column / 32, planes[0], planes[1]);
    case Type::kF16:
    case Type::kBF16: std::memcpy(planes[0], from, static_cast<size_t>(2 * n_column)); return;
    default: break;
  }
  CHECK(type == Type::kF32);
  std::memcpy(planes[0], from, static_cast<size_t>(4 * n_column));
}

}  // namespace tercet::wgpu
