#include <type_traits>

#include "cuda/sampling_device.h"

namespace tercet::cuda {
namespace sampling {
namespace {

constexpr int kFinishThreads = 512;
constexpr int kBin = 2048;
constexpr int kMaxCandidate = kNarrowMax * kGroup;
constexpr int kRankMax = 256;  // so many keys are ranked by comparing all with all; more are sorted

// The next two order a kernel and the one before it, which was launched so that its own launch does not wait (`enqueue`):
// the first lets the next one start, up to its own wait; the second waits until the one before has ended.
__device__ void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

__device__ void wait_for_previous_kernel() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

// logits[first..first + kPerThread) of a row; -inf past its end, where no id is lower than a real one.
__device__ void load_logits(const float* row, int first, int n_vocab, float (&v)[kPerThread]) {
  static_assert(kPerThread == 8);
  if (first + kPerThread <= n_vocab && reinterpret_cast<uintptr_t>(row) % 16 == 0) {
    const float4 a = *reinterpret_cast<const float4*>(row + first);
    const float4 b = *reinterpret_cast<const float4*>(row + first + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    return;
  }
  for (int i = 0; i < kPerThread; ++i) v[i] = first + i < n_vocab ? row[first + i] : -INFINITY;
}

__device__ void store_logits(float* row, int first, int n_vocab, const float (&v)[kPerThread]) {
  if (first + kPerThread <= n_vocab && reinterpret_cast<uintptr_t>(row) % 16 == 0) {
    *reinterpret_cast<float4*>(row + first) = {v[0], v[1], v[2], v[3]};
    *reinterpret_cast<float4*>(row + first + 4) = {v[4], v[5], v[6], v[7]};
    return;
  }
  for (int i = 0; i < kPerThread; ++i)
    if (first + i < n_vocab) row[first + i] = v[i];
}

__device__ Key largest_of(const float (&v)[kPerThread], int first) {
  Key key = 0;
  for (int i = 0; i < kPerThread; ++i) key = larger(key, make_key(v[i], first + i));
  return key;
}

// greedy_part, then greedy_finish
//   token = argmax_i logits[i], ties to the lower id; NaN is -inf
//   logits: [n_output, n_vocab] f32   groups: [n_output, n_chunk] keys of 64 bits
//   launch: (n_chunk, n_output) blocks of 256 threads, a chunk of 2,048 each; then n_output blocks of 128
//   order: a maximum of distinct keys, so none
//   cost: reads 4*n_output*n_vocab bytes; of one row, latency-bound
//   mirrors: backend/sampling.cc (find_largest)
__global__ void __launch_bounds__(kPartThreads) greedy_part(Launch p) {
  let_next_kernel_start();
  const int chunk = static_cast<int>(blockIdx.x);
  const int row = static_cast<int>(blockIdx.y);
  const int tid = static_cast<int>(threadIdx.x);
  const int first = chunk * kChunk + tid * kPerThread;
  float v[kPerThread];
  load_logits(p.raw(row), first, p.n_vocab, v);

  __shared__ Key warps[kPartThreads / 32];
  const Key key = lanes_largest(largest_of(v, first), 32);
  if (tid % 32 == 0) warps[tid / 32] = key;
  __syncthreads();
  if (tid != 0) return;
  Key best = warps[0];
  for (int w = 1; w < kPartThreads / 32; ++w) best = larger(best, warps[w]);
  p.work.groups[static_cast<size_t>(row) * p.n_chunk + chunk] = best;
}

constexpr int kGreedyThreads = 128;

__global__ void __launch_bounds__(kGreedyThreads) greedy_finish(Launch p) {
  wait_for_previous_kernel();
  const int row = static_cast<int>(blockIdx.x);
  const int tid = static_cast<int>(threadIdx.x);
  const Key* chunks = p.work.groups + static_cast<size_t>(row) * p.n_chunk;
  Key key = 0;
  for (int c = tid; c < p.n_chunk; c += kGreedyThreads) key = larger(key, chunks[c]);

  __shared__ Key warps[kGreedyThreads / 32];
  key = lanes_largest(key, 32);
  if (tid % 32 == 0) warps[tid / 32] = key;
  __syncthreads();
  if (tid != 0) return;
  for (int w = 1; w < kGreedyThreads / 32; ++w) key = larger(key, warps[w]);
  write_result(p, row, p.request(row), key_token(key), {});
}

__device__ float penalized(float logit, const SampleRequest& r, int n_output, bool in_prompt) {
  if (n_output > 0 || in_prompt)
    logit = logit > 0.0F ? __fdiv_rn(logit, r.repeat_penalty) : __fmul_rn(logit, r.repeat_penalty);
  if (n_output > 0) {
    logit = __fsub_rn(logit, __fmul_rn(r.frequency_penalty, static_cast<float>(n_output)));
    logit = __fsub_rn(logit, r.presence_penalty);
  }
  return logit;
}

// Penalties, then bias, on the chunk of tokens from `base`, which lies in shared memory. Each block reads the whole lists
// and takes what is its own: no token has two counts, and one thread adds all bias of a token.
__device__ void adjust_chunk(const Launch& p, const SampleRequest& r, int base, float* chunk) {
  const int tid = static_cast<int>(threadIdx.x);
  if ((r.flags & kPenalize) != 0) {
    const int last = (r.flags & kFromLast) != 0 ? p.buffers.last_token[r.slot] : -1;
    const auto* counts = p.in_block<PackedCount>(r.count_offset);
    bool last_counted = false;
    for (uint32_t i = tid; i < r.n_count; i += kPartThreads) {
      const PackedCount count = counts[i];
      const bool is_last = count.token == last;
      last_counted = last_counted || is_last;
      const auto at = static_cast<unsigned>(count.token - base);
      if (at >= kChunk) continue;
      const int n_output = static_cast<int>(count.n_output_and_prompt >> 1) + (is_last ? 1 : 0);
      chunk[at] = penalized(chunk[at], r, n_output, (count.n_output_and_prompt & 1U) != 0);
    }
    const bool any_counted = __syncthreads_or(last_counted ? 1 : 0) != 0;
    const auto at = static_cast<unsigned>(last - base);
    if (tid == 0 && last >= 0 && !any_counted && at < kChunk) chunk[at] = penalized(chunk[at], r, 1, false);
    __syncthreads();
  }
  const auto* bias = p.in_block<PackedBias>(r.bias_offset);
  for (uint32_t i = tid; i < r.n_bias; i += kPartThreads) {
    const auto at = static_cast<unsigned>(bias[i].token - base);
    if (at >= kChunk || (i > 0 && bias[i - 1].token == bias[i].token)) continue;
    for (uint32_t j = i; j < r.n_bias && bias[j].token == bias[i].token; ++j)
      chunk[at] = __fadd_rn(chunk[at], bias[j].bias);
  }
  __syncthreads();
}

__device__ void apply_mask(const Launch& p, const SampleRequest& r, int first, float (&v)[kPerThread]) {
  if ((r.flags & kMask) == 0 || first >= p.n_vocab) return;
  const uint32_t bits = p.in_block<uint32_t>(r.mask_offset)[first / 32] >> (first % 32);
  for (int i = 0; i < kPerThread; ++i)
    if (((bits >> i) & 1U) == 0) v[i] = -INFINITY;
}

// Thread 0 writes the chunk's part of the softmax. Sums: each thread's tokens in order, the warp's butterfly, warp by warp.
__device__ void sum_chunk(const float (&v)[kPerThread], ChunkSum* out) {
  __shared__ double scratch[kPartThreads / 32];
  const int tid = static_cast<int>(threadIdx.x);
  float largest = -INFINITY;
  for (int i = 0; i < kPerThread; ++i) largest = fmaxf(largest, v[i]);  // passes over NaN
  for (int lane = 16; lane > 0; lane /= 2) largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, lane));
  if (tid % 32 == 0) scratch[tid / 32] = largest;
  __syncthreads();
  double m = scratch[0];
  for (int w = 1; w < kPartThreads / 32; ++w) m = fmax(m, scratch[w]);
  double sum = 0;
  for (int i = 0; i < kPerThread; ++i) {
    if (isinf(m))
      sum += v[i] == INFINITY ? 1.0 : 0.0;
    else
      sum += isnan(v[i]) ? 0.0 : exp(static_cast<double>(v[i]) - m);
  }
  sum = warp_sum(sum);
  __syncthreads();  // all have read the maxima
  if (tid % 32 == 0) scratch[tid / 32] = sum;
  __syncthreads();
  if (tid != 0) return;
  for (int w = 1; w < kPartThreads / 32; ++w) sum += scratch[w];
  *out = {m, sum};
}

// The largest key of each group of 64 tokens: 8 neighbouring lanes of 8.
__device__ void write_groups(const Launch& p, const float (&v)[kPerThread], int first, Key* groups) {
  constexpr int kLanes = kGroup / kPerThread;
  const Key key = lanes_largest(largest_of(v, first), kLanes);
  if (static_cast<int>(threadIdx.x) % kLanes == 0 && first < p.n_vocab) groups[first / kGroup] = key;
}

// adjust_part
//   adjusted = mask(bias(penalties(logits))); groups = largest key of each 64 of adjusted (of logits too, where their
//   log-probabilities are wanted); sums = a chunk's part of the softmax of logits
//   logits, adjusted: [n_output, n_vocab] f32   groups: [2, n_output, n_group] keys   sums: [n_output, n_chunk] 2 doubles
//   launch: (n_chunk, n_output) blocks of 256 threads, a chunk of 2,048 each; 8 KiB of shared memory
//   order: adjustments in f32 in the host's order, each rounded; the softmax in double, a fixed tree
//   cost: reads 4*n_output*n_vocab bytes, and each chunk its row's 8*n_count; writes 4*n_vocab for a row with adjustments
//   mirrors: backend/sampling.cc (adjust, LogSoftmax)
__global__ void __launch_bounds__(kPartThreads, 4) adjust_part(Launch p) {
  let_next_kernel_start();
  const int chunk = static_cast<int>(blockIdx.x);
  const int row = static_cast<int>(blockIdx.y);
  const int tid = static_cast<int>(threadIdx.x);
  const SampleRequest r = p.request(row);
  if ((r.flags & kSample) == 0 && r.n_logprob == 0) return;
  const int base = chunk * kChunk;
  const int first = base + tid * kPerThread;
  const bool is_adjusted = (r.flags & kAdjust) != 0;
  float v[kPerThread];
  load_logits(p.raw(row), first, p.n_vocab, v);
  if (r.n_logprob > 0) sum_chunk(v, p.work.sums + static_cast<size_t>(row) * p.n_chunk + chunk);
  if (r.n_logprob > 0 || !is_adjusted) write_groups(p, v, first, p.groups(is_adjusted, row));
  if (!is_adjusted) return;

  __shared__ float tokens[kChunk];
  for (int i = 0; i < kPerThread; ++i) tokens[tid * kPerThread + i] = v[i];
  __syncthreads();
  adjust_chunk(p, r, base, tokens);
  for (int i = 0; i < kPerThread; ++i) v[i] = tokens[tid * kPerThread + i];
  apply_mask(p, r, first, v);
  write_groups(p, v, first, p.groups(false, row));
  if (r.temperature > 0.0F) store_logits(p.adjusted(row), first, p.n_vocab, v);
}

struct KeyRange {
  Key largest, smallest;
};

struct FinishShared {
  Key keys[kMaxCandidate];
  Key sorted[kNarrowMax];  // the result of find_top
  unsigned histogram[kBin];
  int groups[kNarrowMax];
  double weight[kNarrowMax];     // of sorted[i]
  double id_weight[kNarrowMax];  // the same in id order
  int id_order[kNarrowMax];      // and where in `sorted` that is
  KeyRange ranges[kFinishThreads / 32];
  unsigned scan[kFinishThreads / 32];
  unsigned bin, n_before, n_through;  // of find_bin
  int n_group, n_key;
  double uniform_number;
  int token;
  LogSoftmax softmax;
};

__device__ KeyRange range_of(const Key* groups, int n_group, FinishShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  KeyRange range = {0, ~Key{0}};
  for (int g = tid; g < n_group; g += kFinishThreads) {
    const Key key = groups[g];
    range = {larger(range.largest, key), smaller(range.smallest, key)};
  }
  for (int lane = 16; lane > 0; lane /= 2) {
    range.largest = larger(range.largest, __shfl_xor_sync(kAllLanes, range.largest, lane));
    range.smallest = smaller(range.smallest, __shfl_xor_sync(kAllLanes, range.smallest, lane));
  }
  if (tid % 32 == 0) s.ranges[tid / 32] = range;
  __syncthreads();
  for (int w = 0; w < kFinishThreads / 32; ++w)
    range = {larger(range.largest, s.ranges[w].largest), smaller(range.smallest, s.ranges[w].smallest)};
  __syncthreads();
  return range;
}

// The first bin up to and with which the histogram holds `need` or more; it holds that many.
__device__ void find_bin(unsigned need, FinishShared& s) {
  constexpr int kBins = kBin / kFinishThreads;
  const unsigned* bins = s.histogram + threadIdx.x * kBins;
  unsigned sum = 0;
  for (int i = 0; i < kBins; ++i) sum += bins[i];
  unsigned before = block_exclusive_sum<kFinishThreads>(sum, s.scan);
  if (before < need && need <= before + sum) {
    int i = 0;
    while (before + bins[i] < need) before += bins[i++];
    s.bin = threadIdx.x * kBins + static_cast<unsigned>(i);
    s.n_before = before;
    s.n_through = before + bins[i];
  }
  __syncthreads();
}

// A distance below the largest key within which lie at least min(k, n_group) groups, and at most kNarrowMax, which k is at most.
// A histogram of the distances, whose scale follows their range; then one of the bin that the k-th is in, until few enough
// are left: mostly at once, and at the latest when a bin is one key wide.
__device__ Key find_reach(const Key* groups, int n_group, KeyRange range, unsigned k, FinishShared& s) {
  if (n_group <= kNarrowMax) return ~Key{0};
  const int n_bit = 64 - __clzll(static_cast<long long>(range.largest - range.smallest));
  int shift = n_bit > 11 ? n_bit - 11 : 0;
  Key begin = 0;
  unsigned n_before = 0;
  for (;;) {
    for (int b = static_cast<int>(threadIdx.x); b < kBin; b += kFinishThreads) s.histogram[b] = 0;
    __syncthreads();
    for (int g = static_cast<int>(threadIdx.x); g < n_group; g += kFinishThreads) {
      const Key distance = range.largest - groups[g];
      if (distance >= begin && ((distance - begin) >> shift) < kBin)
        atomicAdd(&s.histogram[(distance - begin) >> shift], 1U);
    }
    __syncthreads();
    find_bin(k - n_before, s);
    const Key bin = s.bin;
    if (n_before + s.n_through <= kNarrowMax || shift == 0)
      return begin + ((bin + 1) << shift) - 1;  // 2^64 - 1 at the most
    begin += bin << shift;
    n_before += s.n_before;
    shift = shift > 11 ? shift - 11 : 0;
  }
}

// s.keys[0..n) by rank to s.sorted, as far as k goes.
__device__ void sort_candidates(int n, int k, FinishShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  if (n <= kRankMax) {
    if (tid < n) {
      int rank = 0;
      for (int i = 0; i < n; ++i) rank += s.keys[i] > s.keys[tid] ? 1 : 0;
      if (rank < k) s.sorted[rank] = s.keys[tid];
    }
  } else {
    int n_padded = 1;
    while (n_padded < n) n_padded *= 2;
    for (int i = n + tid; i < n_padded; i += kFinishThreads) s.keys[i] = 0;
    sort_descending(s.keys, n_padded);
    if (tid < k) s.sorted[tid] = s.keys[tid];
  }
  __syncthreads();
}

// s.sorted[0..k): the k largest keys of a row, k <= min(kNarrowMax, n_vocab). They all lie in the k groups whose
// largest keys are largest, so that only few groups are read. The order in which candidates are gathered varies; their set does not.
__device__ void find_top(const Launch& p, const float* values, const Key* groups, KeyRange range, int k,
                         FinishShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  if (tid == 0) s.n_group = s.n_key = 0;
  const Key reach = find_reach(groups, p.n_group, range, static_cast<unsigned>(k), s);
  __syncthreads();
  for (int g = tid; g < p.n_group; g += kFinishThreads)
    if (range.largest - groups[g] <= reach) s.groups[atomicAdd(&s.n_group, 1)] = g;
  __syncthreads();
  for (int i = tid; i < s.n_group * kGroup; i += kFinishThreads) {
    const int id = s.groups[i / kGroup] * kGroup + i % kGroup;
    if (id >= p.n_vocab) continue;
    const Key key = make_key(values[id], id);
    if (range.largest - key <= reach) s.keys[atomicAdd(&s.n_key, 1)] = key;
  }
  __syncthreads();
  sort_candidates(s.n_key, k, s);
}

// Top-p, min-p and the draw over the n tokens of `sorted`; sums in double in the host's order, so by one thread.
__device__ int draw_in_order(const SampleRequest& r, int n, const FinishShared& s) {
  int n_keep = n;
  if (r.top_p < 1.0F) {
    double total = 0;
    for (int i = 0; i < n; ++i) total += s.id_weight[i];
    double sum = 0;
    for (n_keep = 0; n_keep < n;) {
      sum += s.weight[n_keep++];
      if (sum >= static_cast<double>(r.top_p) * total) break;
    }
  }
  const auto keeps = [&](int i) {
    return s.id_order[i] < n_keep && (!(r.min_p > 0.0F) || s.id_weight[i] >= static_cast<double>(r.min_p));
  };
  double total = 0;
  for (int i = 0; i < n; ++i) total += keeps(i) ? s.id_weight[i] : 0.0;
  const double target = s.uniform_number * total;
  double sum = 0;
  int last = 0;
  for (int i = 0; i < n; ++i) {
    if (!keeps(i)) continue;
    sum += s.id_weight[i];
    if (sum > target) return key_token(s.sorted[s.id_order[i]]);
    if (s.id_weight[i] > 0.0) last = i;
  }
  return key_token(s.sorted[s.id_order[last]]);
}

__device__ int draw(const SampleRequest& r, double largest, FinishShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  const int n = r.top_k;
  if (tid < n) {
    const Key key = s.sorted[tid];
    const double weight = weight_of(key, largest, static_cast<double>(r.temperature));
    int n_lower = 0;
    for (int i = 0; i < n; ++i) n_lower += key_token(s.sorted[i]) < key_token(key) ? 1 : 0;
    s.weight[tid] = weight;
    s.id_weight[n_lower] = weight;
    s.id_order[n_lower] = tid;
  }
  if (tid == kFinishThreads - 1) s.uniform_number = uniform(r.seed, r.counter);
  __syncthreads();
  if (tid == 0) s.token = draw_in_order(r, n, s);
  __syncthreads();
  return s.token;
}

// The lowest token that the mask allows, or 0.
__device__ int first_allowed(const Launch& p, const SampleRequest& r, FinishShared& s) {
  if ((r.flags & kMask) == 0) return 0;
  const auto* mask = p.in_block<uint32_t>(r.mask_offset);
  if (threadIdx.x == 0) s.token = p.n_vocab;
  __syncthreads();
  for (int w = static_cast<int>(threadIdx.x); w * 32 < p.n_vocab; w += kFinishThreads) {
    if (mask[w] == 0) continue;
    atomicMin(&s.token, w * 32 + __ffs(static_cast<int>(mask[w])) - 1);
    break;
  }
  __syncthreads();
  return s.token < p.n_vocab ? s.token : 0;
}

// The chunks' parts of the softmax made one: by the first warp, lane by lane, then its butterfly.
__device__ LogSoftmax merge_sums(const Launch& p, const ChunkSum* sums, FinishShared& s) {
  if (threadIdx.x < 32) {
    const int lane = static_cast<int>(threadIdx.x);
    double largest = -INFINITY;
    for (int c = lane; c < p.n_chunk; c += 32) largest = fmax(largest, sums[c].largest);
    for (int step = 16; step > 0; step /= 2) largest = fmax(largest, __shfl_xor_sync(kAllLanes, largest, step));
    double sum = 0;
    for (int c = lane; c < p.n_chunk; c += 32) {
      const ChunkSum part = sums[c];
      if (isinf(largest))
        sum += part.largest == largest ? part.sum : 0.0;
      else
        sum += part.sum * exp(part.largest - largest);
    }
    sum = warp_sum(sum);
    if (lane == 0) s.softmax = {largest, largest == -INFINITY ? 0.0 : log(sum)};
  }
  __syncthreads();
  return s.softmax;
}

__device__ void report_top(const Launch& p, int row, const SampleRequest& r, const LogSoftmax& softmax,
                           FinishShared& s) {
  const Key* groups = p.groups((r.flags & kAdjust) != 0, row);
  find_top(p, p.raw(row), groups, range_of(groups, p.n_group, s), r.n_logprob, s);
  const int tid = static_cast<int>(threadIdx.x);
  if (tid >= r.n_logprob) return;
  const Key key = s.sorted[tid];
  p.buffers.top[static_cast<size_t>(row) * kMaxTop + tid] = {key_token(key), softmax.of(key_logit(key))};
}

// finish
//   token: the largest adjusted key if temperature is 0 or the largest logit is infinite (the first allowed token if it
//   is -inf); else the draw from exp((l - l_max) / temperature) over top-k <= 64, top-p, min-p. Left to the wide kernels
//   with kWideToken. top: the n_logprob <= 64 largest raw keys, l - l_max - ln(sum)
//   groups: [2, n_output, n_group] keys   sums: [n_output, n_chunk]   results: [n_output]   top: [n_output, 1000]
//   launch: one block of 512 threads an output; 43 KiB of shared memory
//   order: double, in id order by one thread (top-p: from the largest down), as the host adds; the softmax a fixed tree
//   cost: reads 8*n_group bytes some three times, 64*k logits; latency-bound
//   mirrors: backend/sampling.cc (choose, report_logprobs)
__global__ void __launch_bounds__(kFinishThreads) finish(Launch p) {
  wait_for_previous_kernel();
  __shared__ FinishShared s;
  const int row = static_cast<int>(blockIdx.x);
  const SampleRequest r = p.request(row);
  int token = 0;
  if ((r.flags & kSample) != 0) {
    const Key* groups = p.groups(false, row);
    const KeyRange range = range_of(groups, p.n_group, s);
    const float largest = key_logit(range.largest);
    if (threadIdx.x == 0) p.work.best[row] = range.largest;
    if (largest == -INFINITY) {
      token = first_allowed(p, r, s);
    } else if (!(r.temperature > 0.0F) || largest == INFINITY) {
      token = key_token(range.largest);
    } else if ((r.flags & kWideToken) == 0) {
      find_top(p, p.chosen_from(row, r.flags), groups, range, r.top_k, s);
      token = draw(r, largest, s);
    }
  }
  LogSoftmax softmax = {};
  if (r.n_logprob > 0) {
    softmax = merge_sums(p, p.work.sums + static_cast<size_t>(row) * p.n_chunk, s);
    if (threadIdx.x == 0) p.work.softmax[row] = softmax;
    if ((r.flags & kWideTop) == 0) report_top(p, row, r, softmax, s);
  }
  // Where the token is still to be drawn, this writes one that the wide kernels overwrite.
  if (threadIdx.x == 0) write_result(p, row, r, token, softmax);
}

// The workspace's parts, each at a multiple of 256 bytes, from `base` on. Returns where it ends.
size_t lay_out(Workspace& work, std::byte* base, int n_output, int n_vocab) {
  size_t end = 0;
  const auto take = [&](auto*& part, size_t n) {
    part = reinterpret_cast<std::remove_reference_t<decltype(part)>>(base + end);
    end = (end + n * sizeof(*part) + 255) / 256 * 256;
  };
  const size_t rows = static_cast<size_t>(n_output);
  const size_t chunks = static_cast<size_t>(n_chunk_of(n_vocab));
  const size_t wide = static_cast<size_t>(n_output < kWideRows ? n_output : kWideRows) * chunks * kChunk;
  take(work.adjusted, rows * static_cast<size_t>(n_vocab));
  take(work.groups, 2 * rows * static_cast<size_t>(n_group_of(n_vocab)));
  take(work.sums, rows * chunks);
  take(work.best, rows);
  take(work.softmax, rows);
  take(work.wide_keys, wide);
  take(work.wide_sums, wide);
  return end;
}

// With `overlap` the kernel may be launched while the one before it in the stream still runs; it must begin with
// wait_for_previous_kernel().
cudaError_t enqueue(cudaStream_t stream, void (*kernel)(Launch), dim3 grid, int n_thread, bool overlap,
                    const Launch& launch) {
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(n_thread));
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = overlap ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, launch);
}

// Whether the kernel has its wait_for_previous_kernel(): it is for 9.0 and later alone, and a later GPU may run code that
// the driver made of PTX for an earlier one.
cudaError_t can_overlap(void (*kernel)(Launch), bool& answer) {
  cudaFuncAttributes attributes = {};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, kernel);
  answer = attributes.ptxVersion >= 90 && attributes.binaryVersion >= 90;
  return status;
}

}  // namespace
}  // namespace sampling

size_t sample_workspace_bytes(int max_output, int n_vocab) {
  sampling::Workspace work;
  return sampling::lay_out(work, nullptr, max_output, n_vocab);
}

cudaError_t sample(cudaStream_t stream, SampleClass sample_class, int n_output, int n_vocab,
                   const SampleBuffers& buffers) {
  using namespace sampling;
  if (n_output == 0) return cudaSuccess;
  if (n_output < 0 || n_vocab < 1 || n_vocab > kMaxSampleVocab) return cudaErrorInvalidValue;
  Launch launch = {buffers, {}, n_output, n_vocab, n_chunk_of(n_vocab), n_group_of(n_vocab)};
  lay_out(launch.work, buffers.workspace, n_output, n_vocab);

  const bool greedy = sample_class == SampleClass::kGreedy;
  const auto first = greedy ? greedy_part : adjust_part;
  const auto second = greedy ? greedy_finish : finish;
  bool overlap = false;
  cudaError_t status = can_overlap(second, overlap);
  const dim3 chunks(static_cast<unsigned>(launch.n_chunk), static_cast<unsigned>(n_output));
  const dim3 rows(static_cast<unsigned>(n_output));
  if (status == cudaSuccess) status = enqueue(stream, first, chunks, kPartThreads, false, launch);
  if (status == cudaSuccess)
    status = enqueue(stream, second, rows, greedy ? kGreedyThreads : kFinishThreads, overlap, launch);
  if (status != cudaSuccess || sample_class != SampleClass::kWide) return status;
  return launch_wide(stream, launch);
}

}  // namespace tercet::cuda
