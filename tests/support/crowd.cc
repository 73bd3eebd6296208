#include "support/crowd.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace tercet::tests {

Crowd::Crowd(int n_sequence, int max_length, int n_token_id, uint32_t seed)
    : n_token_id_(n_token_id), random_(seed), members_(static_cast<size_t>(n_sequence)) {
  const int page_size = backend::KvLayout{}.page_size;
  const auto n_each = static_cast<size_t>((max_length + page_size - 1) / page_size);
  pool_.resize(n_each * members_.size());
  std::iota(pool_.begin(), pool_.end(), 0);
  std::shuffle(pool_.begin(), pool_.end(), random_);
  for (size_t i = 0; i < members_.size(); ++i)
    members_[i].pages.assign(pool_.begin() + static_cast<std::ptrdiff_t>(i * n_each),
                             pool_.begin() + static_cast<std::ptrdiff_t>((i + 1) * n_each));
}

backend::Options Crowd::options(backend::Precision precision, int n_thread, int max_row) const {
  backend::Options options;
  options.precision = precision;
  options.n_thread = n_thread;
  options.max_row = max_row;
  options.max_sequence = static_cast<int>(members_.size());
  options.n_page = n_page();
  return options;
}

const backend::Batch& Crowd::take(std::span<const Part> parts) {
  rows_.clear();
  sequences_.clear();
  for (const Part& part : parts) {
    Member& member = members_[static_cast<size_t>(part.sequence)];
    for (int i = 0; i < part.n_row; ++i)
      rows_.push_back({static_cast<int32_t>(random_() % static_cast<uint32_t>(n_token_id_)), member.length + i,
                       static_cast<int32_t>(sequences_.size())});
    member.length += part.n_row;
    sequences_.push_back({part.sequence, member.length, member.pages});
  }
  return finish();
}

const backend::Batch& Crowd::decode(int n) {
  std::vector<Part> parts;
  for (int i = 0; i < n; ++i) parts.push_back({i, 1});
  return take(parts);
}

const backend::Batch& Crowd::fill_page(int page, int32_t token) {
  const int page_size = backend::KvLayout{}.page_size;
  rows_.clear();
  for (int i = 0; i < page_size; ++i) rows_.push_back({token, i, 0});
  sequences_ = {{0, page_size, std::span(pool_).subspan(static_cast<size_t>(page), 1)}};
  return finish();
}

const backend::Batch& Crowd::finish() {
  outputs_.clear();
  for (int r = 0; r < static_cast<int>(rows_.size()); ++r) {
    backend::Output& output = outputs_.emplace_back();
    output.row = r;
    output.sample = false;
    output.logits = true;
  }
  batch_ = {rows_, sequences_, {}, outputs_};
  return batch_;
}

}  // namespace tercet::tests
