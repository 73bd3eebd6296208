#include "cuda/sampling_device.h"

// The second half of SampleClass::kNarrow: one block an output, from the largest keys of all groups.
namespace tercet::cuda::sampling {
namespace {

constexpr int kBin = 2048;
constexpr int kMaxCandidate = kNarrowMax * kGroup;
constexpr int kRankMax = 256;  // so many keys are ranked by comparing all with all; more are sorted

struct KeyRange {
  Key largest, smallest;
};

struct FinishShared {
  Key keys[kMaxCandidate];
  Key sorted[kNarrowMax];  // the result of find_top
  unsigned histogram[kBin];
  int groups[kNarrowMax];
  Weight weight[kNarrowMax];     // of sorted[i]
  Weight id_weight[kNarrowMax];  // the same in id order
  int id_order[kNarrowMax];      // and where in `sorted` that is
  KeyRange ranges[kFinishThreads / 32];
  unsigned scan[kFinishThreads / 32];
  unsigned bin, n_before, n_through;  // of find_bin
  int n_group, n_key;
  int token;
  Softmax softmax;
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

// A distance below the largest key within which lie at least min(k, n_group) groups, and at most kNarrowMax, which k is
// at most. A histogram of the distances, whose scale follows their range; then one of the bin that the k-th is in,
// until few enough are left: mostly at once, and at the latest when a bin is one key wide.
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
// largest keys are largest, so that only few groups are read. The order in which candidates are gathered varies; their
// set does not.
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

// Top-p, min-p and the draw over the n tokens of `sorted`; by one thread.
__device__ int draw_in_order(const SampleRequest& r, int n, const FinishShared& s) {
  int n_keep = n;
  if (r.top_p != backend::kNoTopP) {
    Weight total = 0;
    for (int i = 0; i < n; ++i) total += s.id_weight[i];
    const Weight goal = backend::part_of(total, r.top_p);
    Weight sum = 0;
    for (n_keep = 0; n_keep < n;) {
      sum += s.weight[n_keep++];
      if (sum >= goal) break;
    }
  }
  const auto kept = [&](int i) {
    return s.id_order[i] < n_keep && s.id_weight[i] >= r.min_weight ? s.id_weight[i] : Weight{0};
  };
  Weight total = 0;
  for (int i = 0; i < n; ++i) total += kept(i);
  const Weight target = backend::mul_high(r.random, total);
  Weight sum = 0;
  int i = 0;
  while ((sum += kept(i)) <= target) ++i;  // the target is below the sum of all
  return key_token(s.sorted[s.id_order[i]]);
}

__device__ int draw(const SampleRequest& r, float largest, FinishShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  const int n = r.top_k;
  if (tid < n) {
    const Key key = s.sorted[tid];
    const Weight weight = weight_of(key_logit(key), largest, r.scale);
    int n_lower = 0;
    for (int i = 0; i < n; ++i) n_lower += key_token(s.sorted[i]) < key_token(key) ? 1 : 0;
    s.weight[tid] = weight;
    s.id_weight[n_lower] = weight;
    s.id_order[n_lower] = tid;
  }
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

// The chunks' parts made one, by the first warp.
__device__ Softmax merge_sums(const Launch& p, int row, FinishShared& s) {
  if (threadIdx.x < 32) {
    const int lane = static_cast<int>(threadIdx.x);
    const size_t begin = static_cast<size_t>(row) * p.n_chunk;
    float largest = -INFINITY;
    Weight sum = 0;
    for (int c = lane; c < p.n_chunk; c += 32) {
      largest = fmaxf(largest, p.work.largest[begin + c]);
      sum += p.work.sums[begin + c];
    }
    for (int step = 16; step > 0; step /= 2) largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, step));
    sum = warp_sum(sum);
    if (lane == 0) s.softmax = {largest, sum};
  }
  __syncthreads();
  return s.softmax;
}

__device__ void report_top(const Launch& p, int row, const SampleRequest& r, FinishShared& s) {
  const Key* groups = p.groups((r.flags & kAdjust) != 0, row);
  find_top(p, p.raw(row), groups, range_of(groups, p.n_group, s), r.n_logprob, s);
  const int tid = static_cast<int>(threadIdx.x);
  if (tid >= r.n_logprob) return;
  const Key key = s.sorted[tid];
  p.buffers.top[static_cast<size_t>(row) * kMaxTop + tid] = {key_token(key), key_logit(key)};
}

}  // namespace

// finish
//   token: the largest adjusted key if temperature is 0 or the largest logit is infinite (the first allowed token if it
//   is -inf); else the draw by weight over top-k <= 64, top-p, min-p. Left to the wide kernels with kWideToken. top: the
//   n_logprob <= 64 largest raw keys
//   groups: [2, n_output, n_group] keys   sums: [n_output, n_chunk]   results: [n_output]   top: [n_output, 1000]
//   launch: one block of 512 threads an output; 43 KiB of shared memory
//   order: of integers, so none
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
    } else if ((r.flags & kDraw) == 0 || largest == INFINITY) {
      token = key_token(range.largest);
    } else if ((r.flags & kWideToken) == 0) {
      find_top(p, p.chosen_from(row, r.flags), groups, range, r.top_k, s);
      token = draw(r, largest, s);
    }
  }
  Softmax softmax = {};
  if (r.n_logprob > 0) {
    softmax = merge_sums(p, row, s);
    if (threadIdx.x == 0) p.work.softmax[row] = softmax;
    if ((r.flags & kWideTop) == 0) report_top(p, row, r, s);
  }
  // Where the token is still to be drawn, this writes one that the wide kernels overwrite.
  if (threadIdx.x == 0) write_result(p, row, r, token, softmax);
}

}  // namespace tercet::cuda::sampling
