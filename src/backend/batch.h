// Owns what one step asks of a backend, and what comes back. Spans only: submit() copies what it needs, so they may die
// when it returns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tercet::backend {

using TokenId = int32_t;
using PageId = int32_t;

// In Row::token: the token that this sequence's slot sampled last. It may still be in flight, and on a device it never
// comes to the host to be sent back.
inline constexpr TokenId kLast = -1;

struct Row {
  TokenId token;     // 0..n_vocab-1, or kLast
  int32_t position;  // in its sequence, from 0; RoPE's angle and the place in the KV cache
  int32_t sequence;  // index into Batch::sequences
};

struct Sequence {
  int32_t slot;                   // 0..max_sequence-1: which of the backend's memories of a last token is this one's
  int32_t length;                 // tokens in the KV cache after this step
  std::span<const PageId> pages;  // page table: position p lives in pages[p / page_size]; covers `length`
};

// A page that several sequences share is copied before one of them writes to it.
struct PageCopy {
  PageId from, to;
};

// What a sequence has said so far, for the penalties. The token behind a kLast row is not yet in here: the backend adds
// it.
struct TokenCount {
  TokenId token;
  int32_t n_output;  // times it was generated
  bool in_prompt;
};

struct TokenBias {
  TokenId token;
  float bias;  // added to the logit
};

// In the order of application: penalties, bias, mask; then the greedy choice if temperature is 0; else temperature,
// top-k, top-p, min-p and the draw (docs/sampling.md).
struct Sampling {
  float temperature = 0.0F;        // 0: the largest logit, ties to the lower id
  int32_t top_k = 0;               // 0: no limit
  float top_p = 1.0F;              // 1: no limit
  float min_p = 0.0F;              // 0: no limit
  float repeat_penalty = 1.0F;     // 1: none; over prompt and output (CTRL, Keskar et al. 2019)
  float presence_penalty = 0.0F;   // over the output
  float frequency_penalty = 0.0F;  // over the output, times the count
  uint64_t seed = 0;
};

// What to give back for one row.
struct Output {
  int32_t row = 0;        // index into Batch::rows
  bool sample = true;     // choose a token and remember it as the slot's last
  bool logits = false;    // give the n_vocab raw logits back
  int32_t n_logprob = 0;  // give the K most probable tokens (of the raw logits) and the sampled token's
  Sampling sampling;
  uint64_t random_counter = 0;  // the draw is a function of (seed, random_counter) alone
  std::span<const TokenCount> counts;
  std::span<const TokenBias> bias;
  std::span<const uint32_t> mask;  // empty, or a bit for each token: bit id % 32 of word id / 32; 0 forbids
};

// Rows are grouped by sequence, ascending positions within one, decode rows (one for a sequence) first.
struct Batch {
  std::span<const Row> rows;
  std::span<const Sequence> sequences;
  std::span<const PageCopy> page_copies;  // done before the rows
  std::span<const Output> outputs;        // ascending rows
};

struct TokenLogprob {
  TokenId token;
  float logprob;  // natural logarithm of the softmax over the raw logits
};

struct OutputResult {
  TokenId token = -1;             // sampled, if asked
  float logprob = 0.0F;           // of `token`, if n_logprob > 0
  std::vector<TokenLogprob> top;  // n_logprob of them, most probable first, ties to the lower id
  std::vector<float> logits;      // [n_vocab], if asked
};

struct StepResult {
  std::vector<OutputResult> outputs;  // one for each of Batch::outputs, in order
};

}  // namespace tercet::backend
