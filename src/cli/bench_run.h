// Owns the measured part of `bench`: prefill and decode through the seam, as the engine would drive it, on made-up
// prompts.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "model/weights.h"

namespace tercet::cli {

struct BenchCase {
  int n_prompt = 0;    // tokens of prefill a sequence; or
  int n_decode = 0;    // tokens of decode a sequence
  int n_depth = 0;     // tokens in each sequence's KV cache before
  int n_sequence = 1;  // together
  int n_context() const { return n_depth + n_prompt + n_decode; }
};

struct BenchFigures {
  std::vector<double> tok_s;    // of each repetition, all sequences together
  double bytes_a_step = 0;      // decode: weights of the distinct experts and all else once, and the KV cache
  double distinct_experts = 0;  // decode: chosen in a layer and step, on average
  double median_tok_s() const;
  double spread() const;  // (largest - smallest) / median
};

class BenchRunner {
 public:
  // Errors: the backend's.
  BenchRunner(backend::Backend& backend, const model::Model& model, uint64_t seed);

  // Fills the depth, warms up with one repetition that is not counted, then measures n_repeat of them.
  Result<BenchFigures> run(const BenchCase& bench, int n_repeat);

 private:
  struct Sequence {
    std::vector<backend::PageId> pages;
    int length = 0;
  };

  backend::TokenId random_token();
  Status make_sequences(const BenchCase& bench);
  Status prefill(Sequence& sequence, int slot, int n_token);
  Status prefill_all(const BenchCase& bench);
  Status decode_all(int n_step, backend::TraceSink* trace);
  Result<backend::Ticket> submit_decode(bool first, backend::TraceSink* trace);
  void rewind(int n_depth);

  backend::Backend& backend_;
  const model::Model& model_;
  uint64_t random_;
  std::vector<Sequence> sequences_;
};

}  // namespace tercet::cli
