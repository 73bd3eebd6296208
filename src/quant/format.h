// Owns the table of block formats: what a tensor's bytes mean. One file a format (q4_k.h, ...) gives its layout, its
// dequantization, which is the definition that every kernel of every backend is held to, bit for bit with the `gguf`
// package, and a quantizer. A further format is one new file and one line, with its include, in the table of format.cc.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace tercet::quant {

// ggml's type ids. find_format() says which of them can be run here.
enum class Type : uint32_t {
  // clang-format off
  kF32 = 0, kF16 = 1, kBF16 = 30, kF64 = 28, kI8 = 24, kI16 = 25, kI32 = 26, kI64 = 27,
  kQ4_0 = 2, kQ4_1 = 3, kQ5_0 = 6, kQ5_1 = 7, kQ8_0 = 8, kQ8_1 = 9,
  kQ2_K = 10, kQ3_K = 11, kQ4_K = 12, kQ5_K = 13, kQ6_K = 14, kQ8_K = 15,
  kIQ1_S = 19, kIQ1_M = 29, kIQ2_XXS = 16, kIQ2_XS = 17, kIQ2_S = 22, kIQ3_XXS = 18, kIQ3_S = 21,
  kIQ4_NL = 20, kIQ4_XS = 23,
  kTQ1_0 = 34, kTQ2_0 = 35, kMXFP4 = 39,
  // clang-format on
};

struct Format {
  Type type;
  std::string_view name;  // "Q4_K"
  int block_size;         // elements a block
  int block_bytes;        // bytes a block

  // y[n_block * block_size] from n_block blocks at x. No alignment is asked of x.
  void (*dequantize)(float* y, const std::byte* x, int64_t n_block);
  // The inverse, lossy but for F32: round to nearest, deterministic. Not the search that llama.cpp does for best error.
  // Any float may come. F32, F16 and BF16 keep infinities and NaNs; in the others a block that holds one, or whose
  // scale is too large for a half, has a scale of NaN or infinity, and so it dequantizes to NaNs and infinities, never
  // to wrong numbers. y needs no alignment.
  void (*quantize)(std::byte* y, const float* x, int64_t n_block);
};

// The format of a ggml type id, or nullptr when nothing here can run it.
const Format* find_format(uint32_t ggml_type);
// The same for a type that is known to have a format.
const Format& format_of(Type type);
std::span<const Format> formats();

// What a format's file gives: a struct of static members, so that kernels can be templates over it.
template <typename F>
concept BlockFormat = std::is_trivially_copyable_v<typename F::Block> &&
                      requires(float* y, const float* x, typename F::Block& block, const typename F::Block& source) {
                        { F::kType } -> std::convertible_to<Type>;
                        { F::kName } -> std::convertible_to<std::string_view>;
                        { F::kBlockSize } -> std::convertible_to<int>;
                        { F::dequantize(y, source) } -> std::same_as<void>;  // y[kBlockSize]
                        { F::quantize(block, x) } -> std::same_as<void>;     // x[kBlockSize]
                      };

}  // namespace tercet::quant
