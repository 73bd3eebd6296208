// Owns how a weight matrix lies on the device. Plain, so that kernels take it by value.
#pragma once

#include <cstdint>

namespace tercet::cuda {

// The canonical order of 256 columns, in which every tensor-core kernel walks a matrix. A quad's thread t (0..3) has at
// each of the 16 steps s = 8 l + 4 hi + j (l, hi: 0..1, j: 0..3) the four columns
//   c(s, t, i) = 128 l + 64 (t / 2) + 32 hi + 16 (t % 2) + 4 j + i,   i = 0..3, held in the order 0, 2, 1, 3.
// It is Q4_K's own: the 16 bytes at 16 + 64 l + 16 t of a block are thread t's, its word j has step (l, 0, j) in the low
// nibbles and (l, 1, j) in the high ones. Activations are brought into it once, and any format can be.
enum class Layout : uint8_t {
  kFile,  // the file's bytes, row after row
  kQ4K,   // the file's Q4_K blocks: 144 bytes, so each is aligned to 16
  // Q6_K in planes. quants [block][192]: for l = 0, 1 the four threads' 16 bytes of low nibbles, laid out as Q4_K's are;
  // then the four threads' 16 bytes of high bits: word 2 l + hi has for step j column i = 0 at bits 4j, 1 at 4j + 2, 2 at
  // 16 + 4j, 3 at 16 + 4j + 2. scales [block][16], as in the file: thread t at (l, hi) needs 8 l + 4 (t / 2) + 2 hi + t % 2.
  kQ6K,
  // Q8_0 in planes. quants [256 columns][256]: for q = 2 l + hi the four threads' 16 bytes, word j is step (l, hi, j),
  // byte i is column i. d [256 columns][8].
  kQ8,
};

// A stack of matrices, [n_mat][rows, cols]. Blocks are numbered through: (mat * rows + row) * (cols / 256) + i.
struct Tensor {
  const uint8_t* quants = nullptr;
  const int8_t* scales = nullptr;  // kQ6K
  const uint16_t* d = nullptr;     // kQ6K, kQ8: halves
  uint32_t type = 0;               // ggml's id
  Layout layout = Layout::kFile;
  int rows = 0;
  int cols = 0;
  int n_mat = 1;
  // What kernels multiply the halves' scales by, a power of two, so that the largest weight that the matrix could hold
  // lies in 8..16: far from the halves' ends. The products are divided by it.
  float scale_up = 1.0F;
};

}  // namespace tercet::cuda
