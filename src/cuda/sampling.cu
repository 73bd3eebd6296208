#include <type_traits>

#include "cuda/sampling_device.h"

namespace tercet::cuda {
namespace sampling {
namespace {

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
  wait_for_previous_kernel();
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
  const int row = static_cast<int>(blockIdx.x);
  const SampleRequest r = p.request(row);  // of the step's input: no kernel writes it
  wait_for_previous_kernel();
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
  write_result(p, row, r, key_token(key), {});
}

// backend::settled
__device__ float settled(float logit) { return fabsf(logit) < 0x1p-100F ? 0.0F : logit; }

// backend::Penalty
__device__ float penalized(float logit, const SampleRequest& r, int n_output, bool in_prompt) {
  if (n_output <= 0 && !in_prompt) return logit;
  logit = settled(logit);
  logit = settled(__fmul_rn(logit, logit > 0.0F ? r.positive : r.other));
  if (n_output <= 0) return logit;
  const float counted = settled(__fmul_rn(r.frequency, static_cast<float>(n_output)));
  return settled(__fsub_rn(logit, settled(__fadd_rn(counted, r.presence))));
}

// Penalties, then bias, on the chunk of tokens from `base`, which lies in shared memory. Each block reads the whole
// lists and takes what is its own: no token has two counts, and one thread adds all bias of a token.
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
      chunk[at] = settled(__fadd_rn(settled(chunk[at]), settled(bias[j].bias)));
  }
  __syncthreads();
}

__device__ void apply_mask(const Launch& p, const SampleRequest& r, int first, float (&v)[kPerThread]) {
  if ((r.flags & kMask) == 0 || first >= p.n_vocab) return;
  const uint32_t bits = p.in_block<uint32_t>(r.mask_offset)[first / 32] >> (first % 32);
  for (int i = 0; i < kPerThread; ++i)
    if (((bits >> i) & 1U) == 0) v[i] = -INFINITY;
}

// In every thread, once for a block.
__device__ float block_largest(float x) {
  __shared__ float warps[kPartThreads / 32];
  const int tid = static_cast<int>(threadIdx.x);
  for (int lane = 16; lane > 0; lane /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, lane));  // passes over NaN
  if (tid % 32 == 0) warps[tid / 32] = x;
  __syncthreads();
  for (int w = 0; w < kPartThreads / 32; ++w) x = fmaxf(x, warps[w]);
  return x;
}

// The largest key of each group of 64 tokens: 8 neighbouring lanes of 8.
__device__ void write_groups(const Launch& p, const float (&v)[kPerThread], int first, Key* groups) {
  constexpr int kLanes = kGroup / kPerThread;
  const Key key = lanes_largest(largest_of(v, first), kLanes);
  if (static_cast<int>(threadIdx.x) % kLanes == 0 && first < p.n_vocab) groups[first / kGroup] = key;
}

// adjust_part
//   adjusted = mask(bias(penalties(logits))); groups = largest key of each 64 of adjusted (of logits too, where their
//   log-probabilities are wanted); largest = that of a chunk of logits
//   logits, adjusted: [n_output, n_vocab] f32   groups: [2, n_output, n_group] keys   largest: [n_output, n_chunk] f32
//   launch: (n_chunk, n_output) blocks of 256 threads, a chunk of 2,048 each; 8 KiB of shared memory
//   order: adjustments in f32 in the host's order, each rounded
//   cost: reads 4*n_output*n_vocab bytes, and each chunk its row's 8*n_count; writes 4*n_vocab for a row with
//   adjustments
//   mirrors: backend/sampling.cc (adjust)
__global__ void __launch_bounds__(kPartThreads, 4) adjust_part(Launch p) {
  let_next_kernel_start();
  wait_for_previous_kernel();
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
  if (r.n_logprob > 0) {
    float largest = -INFINITY;
    for (int i = 0; i < kPerThread; ++i) largest = fmaxf(largest, v[i]);
    largest = block_largest(largest);
    if (tid == 0) p.work.largest[static_cast<size_t>(row) * p.n_chunk + chunk] = largest;
  }
  if (r.n_logprob > 0 || !is_adjusted) write_groups(p, v, first, p.groups(is_adjusted, row));
  if (!is_adjusted) return;

  __shared__ float tokens[kChunk];
  for (int i = 0; i < kPerThread; ++i) tokens[tid * kPerThread + i] = v[i];
  __syncthreads();
  adjust_chunk(p, r, base, tokens);
  for (int i = 0; i < kPerThread; ++i) v[i] = tokens[tid * kPerThread + i];
  apply_mask(p, r, first, v);
  write_groups(p, v, first, p.groups(false, row));
  if ((r.flags & kDraw) != 0) store_logits(p.adjusted(row), first, p.n_vocab, v);
}

// sum_part
//   sums = a chunk's weights at temperature 1, of the raw logits
//   logits: [n_output, n_vocab] f32   largest: [n_output, n_chunk] f32   sums: [n_output, n_chunk] integers of 64 bits
//   launch: (n_chunk, n_output) blocks of 256 threads, a chunk of 2,048 each
//   order: of integers, so none
//   cost: reads 4*n_vocab bytes for a row with log-probabilities
//   mirrors: backend/sampling.cc (report_logprobs)
__global__ void __launch_bounds__(kPartThreads) sum_part(Launch p) {
  let_next_kernel_start();
  wait_for_previous_kernel();
  const int chunk = static_cast<int>(blockIdx.x);
  const int row = static_cast<int>(blockIdx.y);
  const int tid = static_cast<int>(threadIdx.x);
  if (p.request(row).n_logprob == 0) return;
  const float* chunks = p.work.largest + static_cast<size_t>(row) * p.n_chunk;
  float largest = -INFINITY;
  for (int c = tid; c < p.n_chunk; c += kPartThreads) largest = fmaxf(largest, chunks[c]);
  largest = block_largest(largest);
  const int first = chunk * kChunk + tid * kPerThread;
  float v[kPerThread];
  load_logits(p.raw(row), first, p.n_vocab, v);
  Weight sum = 0;
  for (int i = 0; i < kPerThread; ++i) sum += weight_of(v[i], largest, backend::kScaleOfOne);
  __shared__ Weight warps[kPartThreads / 32];
  sum = warp_sum(sum);
  if (tid % 32 == 0) warps[tid / 32] = sum;
  __syncthreads();
  if (tid != 0) return;
  for (int w = 1; w < kPartThreads / 32; ++w) sum += warps[w];
  p.work.sums[static_cast<size_t>(row) * p.n_chunk + chunk] = sum;
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
  take(work.largest, rows * chunks);
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

// Whether the kernel has its wait_for_previous_kernel(): it is for 9.0 and later alone, and a later GPU may run code
// that the driver made of PTX for an earlier one.
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
  cudaError_t status = can_overlap(first, overlap);  // all are built alike
  const dim3 chunks(static_cast<unsigned>(launch.n_chunk), static_cast<unsigned>(n_output));
  const dim3 rows(static_cast<unsigned>(n_output));
  if (status == cudaSuccess) status = enqueue(stream, first, chunks, kPartThreads, overlap, launch);
  if (status == cudaSuccess && sample_class >= SampleClass::kListing)
    status = enqueue(stream, sum_part, chunks, kPartThreads, overlap, launch);
  if (status == cudaSuccess)
    status = enqueue(stream, second, rows, greedy ? kGreedyThreads : kFinishThreads, overlap, launch);
  if (status != cudaSuccess || sample_class != SampleClass::kWide) return status;
  return launch_wide(stream, launch);
}

}  // namespace tercet::cuda
