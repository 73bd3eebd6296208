// Owns BF16: the upper half of a float, a block of one.
#pragma once

#include "quant/format.h"
#include "quant/half.h"

namespace tercet::quant {

struct BF16 {
  static constexpr Type kType = Type::kBF16;
  static constexpr std::string_view kName = "BF16";
  static constexpr int kBlockSize = 1;
  using Block = uint16_t;

  static void dequantize(float* y, const Block& block) { *y = bfloat_to_float(block); }
  static void quantize(Block& block, const float* x) { block = float_to_bfloat(*x); }
};
static_assert(BlockFormat<BF16>);

}  // namespace tercet::quant
