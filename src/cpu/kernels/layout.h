// Owns what prepared activations look like in memory, for the kernels and their tests alone. Constants and plain
// structs only: this is included where the compiler may use instructions that the machine does not have, so nothing in
// it may become a function that the linker shares.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

#define TERCET_INLINE [[gnu::always_inline]] inline

namespace tercet::cpu {

// Integer kernels work on groups of 256 columns; a row's last group may be shorter (Q8_0), its rest is zero.
inline constexpr int kGroupCols = 256;

// x = scale * X with |X| <= 127 * 256 + 127, so that X = 256 * high + low with both in [-128, 127].
inline constexpr int kMaxI16 = 127 * 256 + 127;
inline constexpr int kMaxI8 = 127;

// A group whose largest magnitude is below this is taken as zero, so that the inverse of its step is finite.
inline constexpr float kTinyActivation = 0x1p-100f;

// Sums of X stand beside X because the unsigned weights that the dot products want carry an offset: the sum of
// (w + offset) * X is corrected by -offset * sum(X).
struct BlockI16 {
  float scale;  // NaN if an element is not finite
  float pad[3];
  int8_t x[2][256];      // high, low
  float sum32[8];        // sum of X over 32 columns, exact: below 2^20
  int32_t offset16[16];  // -32 * sum of X over 16 columns
  int32_t offset32[8];   // -128 * sum of X over 32 columns
};
struct BlockI8 {
  float scale[8];  // of 32 columns each; NaN if one is not finite
  int8_t x[1][256];
  float sum32[8];  // scale * sum of X over 32 columns
  int32_t offset16[16];
  int32_t offset32[8];
};
static_assert(sizeof(BlockI16) == 656 && sizeof(BlockI8) == 416);

// What prepare() writes of a row of n_col elements.
int64_t prepared_bytes(ActKind kind, int64_t n_col);

// Memory of the calling thread for at least n floats, until its next call; aligned to 64 bytes.
float* thread_scratch(int64_t n);

extern const Kernels kGenericKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace tercet::cpu
