// Owns sampling on the device: how a step's outputs lie in device memory, and the launch that makes tokens of logits.
// What it must give is what backend::sample_row gives (docs/sampling.md). Plain types, for .cu and .cc alike.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace tercet::cuda {

inline constexpr int kMaxTop = 1000;   // log-probabilities an output: what the engine lets a request ask for
inline constexpr int kNarrowMax = 64;  // up to so many of the largest are found without sorting
inline constexpr int kMaxSampleVocab = 1 << 20;

// What the kernels of a launch are chosen by: this and the two sizes, never a value.
enum class SampleClass : uint8_t {
  kGreedy,   // every output: the largest raw logit, or nothing at all
  kNarrow,   // penalties, bias, masks, draws; no set of more than kNarrowMax tokens
  kListing,  // the same, and log-probabilities
  kWide,     // anything: a draw from the whole vocabulary, a top-k or log-probabilities of more than kNarrowMax
};

enum SampleFlag : uint32_t {
  kSample = 1,      // choose a token
  kFromLast = 2,    // the row was kLast: last_token[slot] is not in the counts yet
  kKeepLast = 4,    // the token becomes last_token[slot]
  kPenalize = 8,    // there are counts, or kFromLast, and a penalty that does something
  kMask = 16,       // mask_offset holds
  kAdjust = 32,     // penalties, bias or mask: the logits to choose from are not the raw ones
  kWideToken = 64,  // the draw is from more than kNarrowMax tokens
  kWideTop = 128,   // n_logprob > kNarrowMax
  kDraw = 256,      // the temperature is not 0
};

// One output. The block that holds these begins with [n_output] of them; offsets are in bytes from the block's begin.
struct SampleRequest {
  uint64_t random;  // as backend::Draw has these
  uint64_t min_weight;
  uint32_t flags;     // SampleFlag
  int32_t slot;       // in last_token
  int32_t top_k;      // 1..n_vocab: no limit is n_vocab
  int32_t n_logprob;  // 0..min(kMaxTop, n_vocab)
  float scale;        // as backend::Draw
  uint32_t top_p;
  float positive, other, frequency, presence;  // as backend::Penalty
  uint32_t count_offset, n_count;              // PackedCount, each token at most once, any order
  uint32_t bias_offset, n_bias;  // PackedBias, ascending tokens; those of one token in the order of addition
  uint32_t mask_offset;          // uint32_t [ceil(n_vocab / 32)]
  uint32_t padding;
};
static_assert(sizeof(SampleRequest) == 80);

struct PackedCount {
  int32_t token;
  uint32_t n_output_and_prompt;  // 2 * (times it was generated) + (is in the prompt)
};

struct PackedBias {
  int32_t token;
  float bias;
};

struct SampleResult {
  int32_t token;  // -1 if none was asked for
  // Of the raw logits, where log-probabilities were asked for: the token's, the largest, and the sum of the weights.
  float logit, largest;
  uint32_t padding;
  uint64_t sum;
};

struct TopEntry {
  int32_t token;
  float logit;
};

// Device memory of one launch. Logits, block and workspace begin at a multiple of 16 bytes.
struct SampleBuffers {
  const float* logits;     // [n_output, n_vocab], raw; only read
  const std::byte* block;  // OutputPack::write; its address may be baked into a graph, since all that varies lies in it
  int32_t* last_token;     // [max_sequence]; read (kFromLast) before any of them is written (kKeepLast)
  SampleResult* results;   // [n_output]; may be the host's pinned memory, since it is only written
  TopEntry* top;           // [n_output, kMaxTop], the first n_logprob of each; may be null in SampleClass::kGreedy
  std::byte* workspace;    // sample_workspace_bytes; what it holds before is of no matter
};

size_t sample_workspace_bytes(int max_output, int n_vocab);

// Enqueues the kernels; may be captured in a graph, which is then good for every batch of the same class, n_output and
// n_vocab. n_vocab: 1..kMaxSampleVocab. Returns the first error of a launch.
cudaError_t sample(cudaStream_t stream, SampleClass sample_class, int n_output, int n_vocab,
                   const SampleBuffers& buffers);

}  // namespace tercet::cuda
