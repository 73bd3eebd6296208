#include "quant/format.h"

#include <cstring>

#include "base/check.h"
#include "quant/bf16.h"
#include "quant/f16.h"
#include "quant/f32.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace tercet::quant {
namespace {

// Blocks are copied in and out, since a file may put them at any address.
template <BlockFormat F>
void dequantize(float* y, const std::byte* x, int64_t n_block) {
  for (int64_t i = 0; i < n_block; ++i) {
    typename F::Block block;
    std::memcpy(&block, x + i * static_cast<int64_t>(sizeof block), sizeof block);
    F::dequantize(y + i * F::kBlockSize, block);
  }
}

template <BlockFormat F>
void quantize(std::byte* y, const float* x, int64_t n_block) {
  for (int64_t i = 0; i < n_block; ++i) {
    typename F::Block block;
    F::quantize(block, x + i * F::kBlockSize);
    std::memcpy(y + i * static_cast<int64_t>(sizeof block), &block, sizeof block);
  }
}

template <BlockFormat F>
constexpr Format format() {
  return {F::kType, F::kName, F::kBlockSize, static_cast<int>(sizeof(typename F::Block)), dequantize<F>, quantize<F>};
}

constexpr Format kFormats[] = {
    // clang-format off
    format<F32>(),
    format<F16>(),
    format<BF16>(),
    format<Q8_0>(),
    format<Q4_K>(),
    format<Q6_K>(),
    // clang-format on
};

}  // namespace

const Format* find_format(uint32_t ggml_type) {
  for (const Format& format : kFormats) {
    if (static_cast<uint32_t>(format.type) == ggml_type) return &format;
  }
  return nullptr;
}

const Format& format_of(Type type) {
  const Format* format = find_format(static_cast<uint32_t>(type));
  CHECK(format != nullptr);
  return *format;
}

std::span<const Format> formats() { return kFormats; }

}  // namespace tercet::quant
