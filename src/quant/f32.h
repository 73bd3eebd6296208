// Owns F32: plain floats, a block of one.
#pragma once

#include "quant/format.h"

namespace tercet::quant {

struct F32 {
  static constexpr Type kType = Type::kF32;
  static constexpr std::string_view kName = "F32";
  static constexpr int kBlockSize = 1;
  using Block = float;

  static void dequantize(float* y, const Block& block) { *y = block; }
  static void quantize(Block& block, const float* x) { block = *x; }
};
static_assert(BlockFormat<F32>);

}  // namespace tercet::quant
