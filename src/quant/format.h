// Owns the table of block formats: what a tensor's bytes mean. One file a format (q4_k.cc, ...) gives its layout and its
// dequantization, which is the definition that every kernel of every backend is held to, bit for bit with the `gguf`
// package. A further format is a new file and a line in formats() (format.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tercet::quant {

// ggml's type ids, of which these can be run.
enum class Type : uint32_t { kF32 = 0, kF16 = 1, kQ8_0 = 8, kQ4_K = 12, kQ6_K = 14, kBF16 = 30 };

struct Format {
  Type type;
  std::string_view name;  // "Q4_K"
  int block_size;         // elements a block
  int block_bytes;        // bytes a block

  // y[n_block * block_size] from n_block blocks at x. No alignment is asked of x.
  void (*dequantize)(float* y, const std::byte* x, int64_t n_block);
  // The inverse, lossy but for F32: round to nearest, deterministic. Not the search that llama.cpp does for best error.
  void (*quantize)(std::byte* y, const float* x, int64_t n_block);
};

// The format of a ggml type id, or nullptr when nothing here can run it.
const Format* find_format(uint32_t ggml_type);
const Format& format_of(Type type);
std::span<const Format> formats();

}  // namespace tercet::quant
