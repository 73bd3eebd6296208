// Owns what the sampling kernels share: keys, the generator, scans and sorts of a block, the workspace. For .cu only.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "backend/sampling_weight.h"
#include "cuda/sampling.h"

namespace tercet::cuda::sampling {

// A logit and its token in one integer, as in backend/sampling.cc: the larger logit, then the lower id, is greater. No
// two tokens of a row have the same key, and none has key 0, which pads what is sorted.
using Key = unsigned long long;

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;
inline constexpr int kChunk = 2048;       // tokens a block of the kernels that read the whole row
inline constexpr int kGroup = 64;         // tokens of which only the largest key is passed on
inline constexpr int kPartThreads = 256;  // of a block that reads a chunk
inline constexpr int kPerThread = kChunk / kPartThreads;
inline constexpr int kWideRows = 16;  // rows that the wide kernels have room for at a time
inline constexpr int kMaxChunk = kMaxSampleVocab / kChunk;

constexpr int n_chunk_of(int n_vocab) { return (n_vocab + kChunk - 1) / kChunk; }
constexpr int n_group_of(int n_vocab) { return (n_vocab + kGroup - 1) / kGroup; }

// As backend::weight_of, and sums of them.
using Weight = unsigned long long;

// What log-probabilities are made of, on the host: the largest raw logit, and the sum of the weights at temperature 1.
struct Softmax {
  float largest;
  Weight sum;
};

// Of `groups` the second half is for the raw logits of outputs that need both; SampleClass::kGreedy has [n_output,
// n_chunk] there.
struct Workspace {
  float* adjusted;    // [n_output, n_vocab]; only rows with kAdjust that draw
  Key* groups;        // [2, n_output, n_group] the largest of each: of the logits to choose from, of the raw ones
  float* largest;     // [n_output, n_chunk] of the raw logits, where log-probabilities are wanted
  Weight* sums;       // [n_output, n_chunk] of their weights
  Key* best;          // [n_output] of the logits to choose from
  Softmax* softmax;   // [n_output]
  Key* wide_keys;     // [kWideRows, n_chunk, kChunk], each chunk descending
  Weight* wide_sums;  // the same shape: the sum of the weights up to and with this one
};

// All that a kernel gets.
struct Launch {
  SampleBuffers buffers;
  Workspace work;
  int n_output, n_vocab, n_chunk, n_group;

  __device__ const SampleRequest& request(int row) const {
    return reinterpret_cast<const SampleRequest*>(buffers.block)[row];
  }
  __device__ const float* raw(int row) const { return buffers.logits + static_cast<size_t>(row) * n_vocab; }
  __device__ float* adjusted(int row) const { return work.adjusted + static_cast<size_t>(row) * n_vocab; }
  __device__ const float* chosen_from(int row, uint32_t flags) const {
    return (flags & kAdjust) != 0 ? adjusted(row) : raw(row);
  }
  __device__ Key* groups(bool second, int row) const {
    return work.groups + (static_cast<size_t>(second ? n_output : 0) + row) * n_group;
  }
  template <typename T>
  __device__ const T* in_block(uint32_t offset) const {
    return reinterpret_cast<const T*>(buffers.block + offset);
  }
};

__device__ inline Key make_key(float logit, int id) {
  const float v = isnan(logit) ? -INFINITY : __fadd_rn(logit, 0.0F);  // -0 + 0 is +0: the two zeros tie
  const unsigned bits = __float_as_uint(v);
  const unsigned ordered = bits ^ ((0U - (bits >> 31)) | 0x80000000U);
  return (Key{ordered} << 32) | ~static_cast<unsigned>(id);
}

__device__ inline int key_token(Key key) { return static_cast<int>(~static_cast<unsigned>(key)); }

__device__ inline float key_logit(Key key) {
  const unsigned ordered = static_cast<unsigned>(key >> 32);
  return __uint_as_float((ordered >> 31) != 0 ? ordered & 0x7FFFFFFFU : ~ordered);
}

__device__ inline Weight weight_of(float logit, float largest, float scale) {
  if (logit == largest) return backend::kWeightOfLargest;
  const float exponent = __fmul_rn(__fsub_rn(largest, logit), scale);
  return exponent < 0x1p31F ? backend::weight_at(static_cast<uint32_t>(exponent)) : 0;
}

__device__ inline Key larger(Key a, Key b) { return a > b ? a : b; }
__device__ inline Key smaller(Key a, Key b) { return a < b ? a : b; }

// The largest over 2^n neighbouring lanes, in each of them.
__device__ inline Key lanes_largest(Key key, int n_lane) {
  for (int lane = 1; lane < n_lane; lane *= 2) key = larger(key, __shfl_xor_sync(kAllLanes, key, lane));
  return key;
}

__device__ inline Weight warp_sum(Weight x) {
  for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(kAllLanes, x, lane);
  return x;
}

// The sum over the threads before this one.
template <int kThreads, typename T>
__device__ T block_exclusive_sum(T x, T* scratch /*[kThreads / 32]*/) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (int step = 1; step < 32; step *= 2) {
    const T below = __shfl_up_sync(kAllLanes, x, step);
    if (lane >= step) x += below;
  }
  if (lane == 31) scratch[warp] = x;
  T before = __shfl_up_sync(kAllLanes, x, 1);
  if (lane == 0) before = 0;
  __syncthreads();
  T base = 0;
  for (int w = 0; w < warp; ++w) base += scratch[w];
  __syncthreads();  // the scratch is free again
  return base + before;
}

// Sorts keys[0..n) by all threads of the block; n is a power of two. Bitonic, n log2(n)^2 / 4 comparisons.
__device__ inline void sort_descending(Key* keys, int n) {
  for (int size = 2; size <= n; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      for (int i = static_cast<int>(threadIdx.x); i < n / 2; i += static_cast<int>(blockDim.x)) {
        const int a = 2 * i - (i & (stride - 1));  // the i-th index whose bit `stride` is 0
        const Key x = keys[a];
        const Key y = keys[a + stride];
        if ((x < y) != ((a & size) == 0)) continue;
        keys[a] = y;
        keys[a + stride] = x;
      }
    }
  }
  __syncthreads();
}

// Called by one thread of the row, once.
__device__ inline void write_result(const Launch& p, int row, const SampleRequest& r, int token,
                                    const Softmax& softmax) {
  const bool sampled = (r.flags & kSample) != 0;
  const float logit = sampled && r.n_logprob > 0 ? p.raw(row)[token] : 0.0F;
  p.buffers.results[row] = {sampled ? token : -1, logit, softmax.largest, 0, softmax.sum};
  if ((r.flags & kKeepLast) != 0) p.buffers.last_token[r.slot] = token;
}

// A kernel's launch need not wait for the end of the one before it (`enqueue`): the first of these lets the next kernel
// start, up to its own wait; the second waits until the one before has ended.
__device__ inline void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__device__ inline void wait_for_previous_kernel() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

inline constexpr int kFinishThreads = 512;
__global__ void finish(Launch p);  // sampling_narrow.cu

// The kernels of SampleClass::kWide, after those of kNarrow (sampling_wide.cu).
cudaError_t launch_wide(cudaStream_t stream, const Launch& launch);

}  // namespace tercet::cuda::sampling
