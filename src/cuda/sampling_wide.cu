#include "cuda/sampling_device.h"

// Sampling from sets of more than kNarrowMax tokens. Each chunk of 2,048 is sorted by a block of its own; then "the
// largest so many" and "the largest that weigh so much" are cuts in 64-bit keys, which one block a row finds by
// narrowing an interval: at each round, some places in it are tried at once, by bisection in every chunk.
namespace tercet::cuda::sampling {
namespace {

constexpr int kWideThreads = 1024;
constexpr int kMaxTried = 32;  // places a round
constexpr int kTopSorted = 1024;
static_assert(kTopSorted >= kMaxTop && kMaxChunk <= kWideThreads / 2);

// Whether this output's token is still to be drawn.
__device__ bool draws_wide(const Launch& p, int row, const SampleRequest& r) {
  return (r.flags & kWideToken) != 0 && !isinf(key_logit(p.work.best[row]));
}

// sort_part
//   wide_keys = each chunk's keys, descending; wide_sums[i] = sum over j <= i of their weights
//   of the logits to choose from (for_top: of the raw ones, and no sums)
//   wide_keys, wide_sums: [16, n_chunk, 2048] 64-bit keys, 64-bit integers; past the row's end key 0, weight 0
//   launch: (n_chunk, 16) blocks of 256 threads; 16 KiB of shared memory
//   order: of integers, so none
//   cost: reads 4, writes 16 bytes a token; bound by the exchanges in shared memory, 66 steps
//   mirrors: backend/sampling.cc (weight_of, keep_nucleus)
__global__ void __launch_bounds__(kPartThreads) sort_part(Launch p, int first_row, bool for_top) {
  __shared__ Key keys[kChunk];
  __shared__ Weight scratch[kPartThreads / 32];
  const int row = first_row + static_cast<int>(blockIdx.y);
  const SampleRequest& r = p.request(row);
  if (for_top ? (r.flags & kWideTop) == 0 : !draws_wide(p, row, r)) return;
  const int tid = static_cast<int>(threadIdx.x);
  const int base = static_cast<int>(blockIdx.x) * kChunk;
  const float* values = for_top ? p.raw(row) : p.chosen_from(row, r.flags);
  for (int i = tid; i < kChunk; i += kPartThreads)
    keys[i] = base + i < p.n_vocab ? make_key(values[base + i], base + i) : Key{0};
  sort_descending(keys, kChunk);

  const size_t out = (static_cast<size_t>(blockIdx.y) * p.n_chunk + blockIdx.x) * kChunk;
  for (int i = tid; i < kChunk; i += kPartThreads) p.work.wide_keys[out + i] = keys[i];
  if (for_top) return;
  const float largest = key_logit(p.work.best[row]);
  Weight sums[kPerThread];
  Weight sum = 0;
  for (int i = 0; i < kPerThread; ++i) {
    const Key key = keys[tid * kPerThread + i];
    sum += key == 0 ? 0 : weight_of(key_logit(key), largest, r.scale);
    sums[i] = sum;
  }
  const Weight before = block_exclusive_sum<kPartThreads>(sum, scratch);
  for (int i = 0; i < kPerThread; ++i) p.work.wide_sums[out + tid * kPerThread + i] = before + sums[i];
}

// A row's sorted chunks, and how many keys of each lie above the two ends of the interval that is searched.
struct WideShared {
  int n_above[kMaxChunk];        // keys >= lower: in the end, those that are kept
  int n_beyond[kMaxChunk];       // keys >= upper
  Weight sums[kMaxChunk];        // weight of the kept ones
  int counts[kWideThreads];      // [place][chunk] keys >= the place
  Weight weights[kWideThreads];  // and their weight
  bool enough[kMaxTried];
  Key keys[kTopSorted];
  Weight by_id[kChunk];  // weights of one chunk's kept tokens, in id order; 0 for the others
  Weight scan[kWideThreads / 32];
  Weight total, before, target;
  int chunk, token;
};

// What a set must reach to be enough: a number of keys, or a weight.
struct Goal {
  int count;  // 0: the weight decides
  Weight weight;
};

struct Row {
  const Key* keys;     // [n_chunk, kChunk]
  const Weight* sums;  // [n_chunk, kChunk]
  int n_chunk;

  __device__ Weight weight(int chunk, int n) const {
    return n == 0 ? 0 : sums[static_cast<size_t>(chunk) * kChunk + n - 1];
  }
  // How many keys of the chunk are >= `cut`, which is known to lie in [low, high].
  __device__ int count(int chunk, Key cut, int low, int high) const {
    while (low < high) {
      const int middle = (low + high) / 2;
      if (keys[static_cast<size_t>(chunk) * kChunk + middle] >= cut)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
};

// s.enough[place] of the places tried: a warp adds up one at a time.
__device__ void judge(const Row& row, const Goal& goal, int n_tried, WideShared& s) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int place = static_cast<int>(threadIdx.x) / 32;
  static_assert(kWideThreads / 32 >= kMaxTried);
  if (place >= n_tried) return;
  int count = 0;
  Weight weight = 0;
  for (int c = lane; c < row.n_chunk; c += 32) {
    count += s.counts[place * row.n_chunk + c];
    weight += s.weights[place * row.n_chunk + c];
  }
  for (int step = 16; step > 0; step /= 2) count += __shfl_xor_sync(kAllLanes, count, step);
  weight = warp_sum(weight);
  if (lane == 0) s.enough[place] = goal.count > 0 ? count >= goal.count : weight >= goal.weight;
}

// The largest cut for which the keys >= cut are enough, given that those >= lower are and that those >= upper are not.
// s.n_above comes as the counts for `lower`, s.n_beyond as those for `upper`; s.n_above leaves as those for the cut.
__device__ Key find_cut(const Row& row, const Goal& goal, Key lower, Key upper, WideShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  const int chunk = tid % row.n_chunk;
  const int place = tid / row.n_chunk;
  const int max_tried = min(kMaxTried, kWideThreads / row.n_chunk);
  while (upper - lower > 1) {
    const int n_tried = static_cast<int>(smaller(upper - lower - 1, static_cast<Key>(max_tried)));
    const Key step = (upper - lower) / static_cast<Key>(n_tried + 1);
    if (place < n_tried) {
      const Key cut = lower + step * static_cast<Key>(place + 1);
      s.counts[tid] = row.count(chunk, cut, s.n_beyond[chunk], s.n_above[chunk]);
      s.weights[tid] = goal.count > 0 ? 0 : row.weight(chunk, s.counts[tid]);
    }
    __syncthreads();
    judge(row, goal, n_tried, s);
    __syncthreads();
    int n_enough = 0;
    while (n_enough < n_tried && s.enough[n_enough]) ++n_enough;
    if (n_enough < n_tried) upper = lower + step * static_cast<Key>(n_enough + 1);
    lower += step * static_cast<Key>(n_enough);
    if (tid < row.n_chunk) {
      if (n_enough > 0) s.n_above[tid] = s.counts[(n_enough - 1) * row.n_chunk + tid];
      if (n_enough < n_tried) s.n_beyond[tid] = s.counts[n_enough * row.n_chunk + tid];
    }
    __syncthreads();
  }
  return lower;
}

// Every key of the row counts as kept, and none as beyond.
__device__ void keep_all(const Launch& p, WideShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  if (tid < p.n_chunk) {
    s.n_above[tid] = min(kChunk, p.n_vocab - tid * kChunk);
    s.n_beyond[tid] = 0;
  }
  __syncthreads();
}

// s.sums and s.total of the kept tokens.
__device__ void sum_kept(const Row& row, WideShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  if (tid < row.n_chunk) s.sums[tid] = row.weight(tid, s.n_above[tid]);
  __syncthreads();
  if (tid == 0) {
    Weight total = 0;
    for (int c = 0; c < row.n_chunk; ++c) total += s.sums[c];
    s.total = total;
  }
  __syncthreads();
}

// Top-k, top-p, min-p: leaves in s.n_above how many of each chunk's keys are kept, and the sums of their weights.
__device__ void cut_down(const Launch& p, const SampleRequest& r, const Row& row, Key best, WideShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  keep_all(p, s);
  Key cut = 1;  // above the keys that pad
  if (r.top_k < p.n_vocab) cut = find_cut(row, {r.top_k, 0}, cut, best + 1, s);
  sum_kept(row, s);
  if (r.top_p != backend::kNoTopP) {
    if (tid < row.n_chunk) s.n_beyond[tid] = 0;
    const Weight goal = backend::part_of(s.total, r.top_p);
    __syncthreads();
    find_cut(row, {0, goal}, cut, best + 1, s);
  }
  if (r.min_weight > 0 && tid < row.n_chunk) {
    const float largest = key_logit(best);
    int low = 0;
    int high = s.n_above[tid];
    while (low < high) {
      const int middle = (low + high) / 2;
      const Key key = row.keys[static_cast<size_t>(tid) * kChunk + middle];
      if (weight_of(key_logit(key), largest, r.scale) >= r.min_weight)
        low = middle + 1;
      else
        high = middle;
    }
    s.n_above[tid] = low;
  }
  __syncthreads();
  sum_kept(row, s);
}

// The chunk in which the running sum, in id order, exceeds the target, which is below the sum; by one thread.
__device__ void find_chunk(uint64_t random, WideShared& s) {
  s.target = backend::mul_high(random, s.total);
  s.before = 0;
  for (s.chunk = 0; s.before + s.sums[s.chunk] <= s.target; ++s.chunk) s.before += s.sums[s.chunk];
}

// The token of s.chunk at which the running sum, in id order, exceeds the target.
__device__ int find_token(const Row& row, float largest, float scale, WideShared& s) {
  const int tid = static_cast<int>(threadIdx.x);
  const int base = s.chunk * kChunk;
  for (int i = tid; i < kChunk; i += kWideThreads) s.by_id[i] = 0;
  __syncthreads();
  for (int i = tid; i < s.n_above[s.chunk]; i += kWideThreads) {
    const Key key = row.keys[static_cast<size_t>(base) + i];
    s.by_id[key_token(key) - base] = weight_of(key_logit(key), largest, scale);
  }
  __syncthreads();
  constexpr int kOwn = kChunk / kWideThreads;
  Weight sum = 0;
  for (int i = 0; i < kOwn; ++i) sum += s.by_id[tid * kOwn + i];
  sum = s.before + block_exclusive_sum<kWideThreads>(sum, s.scan);
  for (int i = tid * kOwn; i < (tid + 1) * kOwn; ++i) {
    const Weight before = sum;
    sum += s.by_id[i];
    if (before <= s.target && s.target < sum) s.token = base + i;  // of one thread alone
  }
  __syncthreads();
  return s.token;
}

__device__ Row row_of(const Launch& p) {
  const size_t begin = static_cast<size_t>(blockIdx.x) * p.n_chunk * kChunk;
  return {p.work.wide_keys + begin, p.work.wide_sums + begin, p.n_chunk};
}

// draw_part
//   token = the first, in id order, at which the running sum of the kept weights exceeds u times their sum. Kept: the
//   top_k largest, of these the fewest that weigh top_p of them, of these those of at least min_p
//   wide_keys, wide_sums: [16, n_chunk, 2048]   results: [n_output]
//   launch: 16 blocks of 1,024 threads, one an output; 48 KiB of shared memory
//   order: of integers, so none
//   cost: some 20 rounds of bisections, latency-bound
//   mirrors: backend/sampling.cc (choose)
__global__ void __launch_bounds__(kWideThreads) draw_part(Launch p, int first_row) {
  __shared__ WideShared s;
  const int index = first_row + static_cast<int>(blockIdx.x);
  const SampleRequest r = p.request(index);
  if (!draws_wide(p, index, r)) return;
  const Key best = p.work.best[index];
  const Row row = row_of(p);
  cut_down(p, r, row, best, s);
  if (threadIdx.x == 0) find_chunk(r.random, s);
  __syncthreads();
  const int token = find_token(row, key_logit(best), r.scale, s);
  if (threadIdx.x != 0) return;
  write_result(p, index, r, token, r.n_logprob > 0 ? p.work.softmax[index] : Softmax{});
}

// top_part
//   top = the n_logprob largest raw keys, descending
//   wide_keys: [16, n_chunk, 2048], raw   top: [n_output, 1000]
//   launch: 16 blocks of 1,024 threads, one an output; 48 KiB of shared memory
//   order: none
//   cost: as draw_part
//   mirrors: backend/sampling.cc (report_logprobs)
__global__ void __launch_bounds__(kWideThreads) top_part(Launch p, int first_row) {
  __shared__ WideShared s;
  const int index = first_row + static_cast<int>(blockIdx.x);
  const SampleRequest& r = p.request(index);
  if ((r.flags & kWideTop) == 0) return;
  const Row row = row_of(p);
  const int tid = static_cast<int>(threadIdx.x);
  keep_all(p, s);
  if (r.n_logprob < p.n_vocab) find_cut(row, {r.n_logprob, 0}, 1, ~Key{0}, s);
  if (tid == 0) {
    int begin = 0;
    for (int c = 0; c < p.n_chunk; ++c) {
      s.n_beyond[c] = begin;  // from here on: where the chunk's keys go
      begin += s.n_above[c];
    }
  }
  s.keys[tid] = 0;
  __syncthreads();
  for (int c = tid / 32; c < p.n_chunk; c += kWideThreads / 32)
    for (int i = tid % 32; i < s.n_above[c]; i += 32)
      s.keys[s.n_beyond[c] + i] = row.keys[static_cast<size_t>(c) * kChunk + i];
  sort_descending(s.keys, kTopSorted);
  if (tid >= r.n_logprob) return;
  const Key key = s.keys[tid];
  p.buffers.top[static_cast<size_t>(index) * kMaxTop + tid] = {key_token(key), key_logit(key)};
}

}  // namespace

cudaError_t launch_wide(cudaStream_t stream, const Launch& launch) {
  for (int first = 0; first < launch.n_output; first += kWideRows) {
    const auto n_row = static_cast<unsigned>(launch.n_output - first < kWideRows ? launch.n_output - first : kWideRows);
    const dim3 chunks(static_cast<unsigned>(launch.n_chunk), n_row);
    sort_part<<<chunks, kPartThreads, 0, stream>>>(launch, first, false);
    draw_part<<<n_row, kWideThreads, 0, stream>>>(launch, first);
    sort_part<<<chunks, kPartThreads, 0, stream>>>(launch, first, true);
    top_part<<<n_row, kWideThreads, 0, stream>>>(launch, first);
    if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

}  // namespace tercet::cuda::sampling
