// Owns sequences of random tokens that advance together, and the batches that ask for it: the same for every backend that
// is run beside another.
#pragma once

#include <random>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace tercet::tests {

struct Part {
  int sequence;
  int n_row;
};

class Crowd {
 public:
  // Tokens are drawn from 0..n_token_id-1. No sequence grows beyond max_length.
  Crowd(int n_sequence, int max_length, int n_token_id, uint32_t seed);

  // What a backend must have to run its batches.
  backend::Options options(backend::Precision precision, int n_thread, int max_row) const;
  int length(int sequence) const { return members_[static_cast<size_t>(sequence)].length; }

  // The next rows of each, whose logits are all wanted. Those with one row come first. Valid until the next call.
  const backend::Batch& take(std::span<const Part> parts);
  // One row of each of the first n.
  const backend::Batch& decode(int n);

  // As many rows of one token as the pages have room for, a page's worth a step: each call is one step, of page `page`.
  const backend::Batch& fill_page(int page, int32_t token);
  int n_page() const { return static_cast<int>(pool_.size()); }

 private:
  struct Member {
    int length = 0;
    std::vector<backend::PageId> pages;
  };
  const backend::Batch& finish();

  int n_token_id_;
  std::mt19937 random_;
  std::vector<backend::PageId> pool_;
  std::vector<Member> members_;
  std::vector<backend::Row> rows_;
  std::vector<backend::Sequence> sequences_;
  std::vector<backend::Output> outputs_;
  backend::Batch batch_;
};

}  // namespace tercet::tests
