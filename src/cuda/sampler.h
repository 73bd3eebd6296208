// Owns the way of a step's outputs to the device's sampler and back: one block of memory there, results from there.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "backend/batch.h"
#include "cuda/sampling.h"

namespace tercet::cuda {

// What one step asks of the sampler. Made when the step is submitted, and kept until its results are there: it copies
// what it needs of the batch, whose spans die meanwhile. What is malformed in a batch is our own bug, and a CHECK.
class OutputPack {
 public:
  OutputPack() = default;
  OutputPack(const backend::Batch& batch, int n_vocab);

  SampleClass sample_class() const { return class_; }
  int n_output() const { return static_cast<int>(requests_.size()); }
  // Of the block: [n_output] SampleRequest, then counts, bias and masks, each kind at a multiple of 16. Penalties that
  // do nothing bring no counts. It is bounded by `most_bytes`, of which the counts are by far the most and rarely near
  // that.
  size_t bytes() const { return bytes_; }
  static size_t most_bytes(int max_output, int n_vocab, int max_bias);
  // The longest list of log-probabilities: of buffers.top only so many columns have to be copied back, none if 0.
  int max_logprob() const { return max_logprob_; }
  // The outputs that want their raw logits, ascending.
  std::span<const int> logit_outputs() const { return logit_outputs_; }

  // Fills block[0..bytes()), which begins at a multiple of 16. The batch is the one it was made of.
  void write(const backend::Batch& batch, std::byte* block) const;

  // results: [n_output]; top: [n_output] rows, `top_stride` entries from one to the next, null if max_logprob() is 0;
  // logits: [logit_outputs().size(), n_vocab], null if there are none.
  void unpack(const SampleResult* results, const TopEntry* top, int top_stride, const float* logits,
              backend::StepResult& out) const;

 private:
  void add(const backend::Batch& batch, const backend::Output& output);
  void place_lists();

  int n_vocab_ = 0;
  SampleClass class_ = SampleClass::kGreedy;
  int max_logprob_ = 0;
  size_t bytes_ = 0;
  std::vector<SampleRequest> requests_;
  std::vector<int> logit_outputs_;
};

}  // namespace tercet::cuda
