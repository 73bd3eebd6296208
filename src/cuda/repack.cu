// repack   layouts: tensor.h   formats: quant/q6_k.h, q8_0.h, q4_k.h   the same on the host: testing.h
//   quants of 256 columns are permuted into the canonical order; scales and d are copied
//   launch: a thread for each 32-bit word of quants that it writes     sums: none, bits are moved
//   cost: reads and writes each byte once, at the time of a load: far below the copy from the host
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "cuda/repack.h"

namespace tercet::cuda {
namespace {

constexpr int kQ6KBytes = 210;
constexpr int kQ6KWords = 48;  // of quants in the planes
constexpr int kQ8Bytes = 34;
constexpr int kQ8SuperBytes = 8 * kQ8Bytes;
constexpr int kQ8Words = 64;
constexpr int kQ4KBytes = 144;
constexpr int kBlocksAGroup = 4;  // blocks of weights that a block of threads takes

// From an address that is aligned to 2, as blocks of 210 and 34 bytes are.
__device__ uint32_t load_word(const uint8_t* x) {
  const auto* halves = reinterpret_cast<const uint16_t*>(x);
  return halves[0] | static_cast<uint32_t>(halves[1]) << 16;
}

// Bits of |d| * factor, 0 where d is not finite. Exact: 11 bits times at most 12.
__device__ uint32_t largest_bits(uint16_t d, float factor) {
  if ((d & 0x7C00) == 0x7C00) return 0;
  return __float_as_uint(fabsf(__half2float(__ushort_as_half(d))) * factor);
}

// Most calls find that they raise nothing, and reading is cheaper than an atomic on one address.
__device__ void raise(uint32_t* largest, uint32_t bits) {
  if (bits > *static_cast<volatile uint32_t*>(largest)) atomicMax(largest, bits);
}

// Word 16 l + 4 t + j of the low nibbles: byte i has column c(8 l + j, t, i) in its low nibble and c(8 l + 4 + j, t, i),
// 32 columns on, in its high one. In the file both lie in half l, in rows 2 (t / 2) and 2 (t / 2) + 1 of 32 columns.
__device__ uint32_t low_nibbles(const uint8_t* block, int word) {
  const int l = word / 16;
  const int t = word / 4 % 4;
  const int j = word % 4;
  const uint8_t* ql = block + 64 * l + 16 * (t % 2) + 4 * j;
  const int shift = 4 * (t / 2);
  const uint32_t first = load_word(ql) >> shift & 0x0F0F0F0F;
  const uint32_t second = load_word(ql + 32) >> shift & 0x0F0F0F0F;
  return first | second << 4;
}

// Word 4 t + 2 l + hi of the high bits: column i of step j at bits 4 j + {0, 2, 16, 18}[i].
__device__ uint32_t high_bits(const uint8_t* block, int word) {
  const int t = word / 4;
  const int l = word / 2 % 2;
  const int hi = word % 2;
  const int shift = 2 * (2 * (t / 2) + hi);
  uint32_t out = 0;
  for (int j = 0; j < 4; ++j) {
    const uint32_t bits = load_word(block + 128 + 32 * l + 16 * (t % 2) + 4 * j) >> shift & 0x03030303;
    const uint32_t low = (bits & 3) | (bits >> 6 & 0xC);
    const uint32_t high = (bits >> 16 & 3) | (bits >> 22 & 0xC);
    out |= (low | high << 16) << 4 * j;
  }
  return out;
}

__global__ void repack_q6_k_kernel(const uint8_t* blocks, int64_t n_block, uint32_t* quants, int8_t* scales,
                                   uint16_t* d, uint32_t* largest) {
  const int64_t b = int64_t{blockIdx.x} * kBlocksAGroup + threadIdx.y;
  if (b >= n_block) return;
  const uint8_t* block = blocks + b * kQ6KBytes;
  const int word = static_cast<int>(threadIdx.x);
  quants[b * kQ6KWords + word] = word < 32 ? low_nibbles(block, word) : high_bits(block, word - 32);
  if (word < 16) scales[b * 16 + word] = static_cast<int8_t>(block[192 + word]);
  if (word == 16) {
    d[b] = *reinterpret_cast<const uint16_t*>(block + 208);
    raise(largest, largest_bits(d[b], 127.0F * 32.0F));
  }
}

// Word 16 q + 4 t + j: columns c(4 q + j, t, 0..3), which are neighbours within one block of the file.
__global__ void repack_q8_0_kernel(const uint8_t* blocks, int64_t n_super, uint32_t* quants, uint16_t* d,
                                   uint32_t* largest) {
  const int64_t b = int64_t{blockIdx.x} * kBlocksAGroup + threadIdx.y;
  if (b >= n_super) return;
  const uint8_t* super = blocks + b * kQ8SuperBytes;
  const int word = static_cast<int>(threadIdx.x);
  const int q = word / 16;
  const int t = word / 4 % 4;
  const int block = 4 * (q / 2) + 2 * (t / 2) + q % 2;
  quants[b * kQ8Words + word] = load_word(super + block * kQ8Bytes + 2 + 16 * (t % 2) + 4 * (word % 4));
  if (word < 8) {
    const uint16_t value = *reinterpret_cast<const uint16_t*>(super + word * kQ8Bytes);
    d[b * 8 + word] = value;
    raise(largest, largest_bits(value, 127.0F));
  }
}

__global__ void measure_q4_k_kernel(const uint8_t* blocks, int64_t n_block, uint32_t* largest) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  uint32_t mine = 0;
  for (int64_t b = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; b < n_block; b += stride) {
    const uint32_t both = *reinterpret_cast<const uint32_t*>(blocks + b * kQ4KBytes);
    mine = max(mine, largest_bits(static_cast<uint16_t>(both), 63.0F * 15.0F));
    mine = max(mine, largest_bits(static_cast<uint16_t>(both >> 16), 63.0F));
  }
  if (mine > 0) raise(largest, mine);
}

unsigned groups_for(int64_t n) { return static_cast<unsigned>((n + kBlocksAGroup - 1) / kBlocksAGroup); }

}  // namespace

cudaError_t repack_q6_k(const uint8_t* blocks, int64_t n_block, uint8_t* quants, int8_t* scales, uint16_t* d,
                        uint32_t* largest, cudaStream_t stream) {
  repack_q6_k_kernel<<<groups_for(n_block), dim3(kQ6KWords, kBlocksAGroup), 0, stream>>>(
      blocks, n_block, reinterpret_cast<uint32_t*>(quants), scales, d, largest);
  return cudaGetLastError();
}

cudaError_t repack_q8_0(const uint8_t* blocks, int64_t n_super, uint8_t* quants, uint16_t* d, uint32_t* largest,
                        cudaStream_t stream) {
  repack_q8_0_kernel<<<groups_for(n_super), dim3(kQ8Words, kBlocksAGroup), 0, stream>>>(
      blocks, n_super, reinterpret_cast<uint32_t*>(quants), d, largest);
  return cudaGetLastError();
}

cudaError_t measure_q4_k(const uint8_t* blocks, int64_t n_block, uint32_t* largest, cudaStream_t stream) {
  constexpr int64_t kMostGroups = 1024;
  const int64_t n_group = (n_block + 255) / 256;
  measure_q4_k_kernel<<<static_cast<unsigned>(n_group < kMostGroups ? n_group : kMostGroups), 256, 0, stream>>>(
      blocks, n_block, largest);
  return cudaGetLastError();
}

}  // namespace tercet::cuda
