// Owns F16: IEEE binary16, a block of one.
#pragma once

#include "quant/format.h"
#include "quant/half.h"

namespace tercet::quant {

struct F16 {
  static constexpr Type kType = Type::kF16;
  static constexpr std::string_view kName = "F16";
  static constexpr int kBlockSize = 1;
  using Block = uint16_t;

  static void dequantize(float* y, const Block& block) { *y = half_to_float(block); }
  static void quantize(Block& block, const float* x) { block = float_to_half(*x); }
};
static_assert(BlockFormat<F16>);

}  // namespace tercet::quant
