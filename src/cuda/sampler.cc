#include "cuda/sampler.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "backend/sampling.h"
#include "base/check.h"

namespace tercet::cuda {
namespace {

using backend::Output;
using backend::Sampling;
using backend::TokenBias;

size_t align16(size_t n) { return (n + 15) / 16 * 16; }

size_t n_mask_word(int n_vocab) { return (static_cast<size_t>(n_vocab) + 31) / 32; }

// Takes n elements of `bytes` each from the block, of which `end` are taken.
uint32_t take(size_t& end, size_t n, size_t bytes) {
  const size_t begin = end;
  end += n * bytes;
  CHECK(end <= std::numeric_limits<uint32_t>::max());
  return static_cast<uint32_t>(begin);
}

bool is_wanted(const SampleRequest& r, SampleFlag flag) { return (r.flags & flag) != 0; }

SampleClass class_of(const SampleRequest& r) {
  if (is_wanted(r, kWideToken) || is_wanted(r, kWideTop)) return SampleClass::kWide;
  if (r.n_logprob > 0) return SampleClass::kListing;
  return is_wanted(r, kDraw) || is_wanted(r, kAdjust) ? SampleClass::kNarrow : SampleClass::kGreedy;
}

void write_bias(std::span<const TokenBias> from, int n_vocab, PackedBias* to) {
  for (size_t i = 0; i < from.size(); ++i) {
    CHECK(from[i].token >= 0 && from[i].token < n_vocab);
    to[i] = {from[i].token, from[i].bias};
  }
  const auto lower = [](const PackedBias& a, const PackedBias& b) { return a.token < b.token; };
  if (!std::is_sorted(to, to + from.size(), lower)) std::stable_sort(to, to + from.size(), lower);
}

}  // namespace

OutputPack::OutputPack(const backend::Batch& batch, int n_vocab) : n_vocab_(n_vocab) {
  CHECK(n_vocab >= 1 && n_vocab <= kMaxSampleVocab);
  requests_.reserve(batch.outputs.size());
  for (const Output& output : batch.outputs) add(batch, output);
  place_lists();
  // A slot remembers its last output's token. The outputs of one follow each other, since the rows are grouped.
  int32_t kept_slot = -1;
  for (size_t i = requests_.size(); i-- > 0;) {
    if (!is_wanted(requests_[i], kSample) || requests_[i].slot == kept_slot) continue;
    kept_slot = requests_[i].slot;
    requests_[i].flags |= kKeepLast;
  }
}

void OutputPack::add(const backend::Batch& batch, const Output& output) {
  const Sampling& s = output.sampling;
  const backend::Row& row = batch.rows[static_cast<size_t>(output.row)];
  if (output.logits) logit_outputs_.push_back(n_output());

  SampleRequest r = {};
  r.slot = batch.sequences[static_cast<size_t>(row.sequence)].slot;
  CHECK(output.n_logprob <= kMaxTop);
  r.n_logprob = std::clamp(output.n_logprob, 0, n_vocab_);
  if (r.n_logprob > kNarrowMax) r.flags |= kWideTop;
  r.top_k = n_vocab_;
  if (output.sample) {
    r.flags |= kSample;
    if (row.token == backend::kLast) r.flags |= kFromLast;
    const backend::Draw draw = backend::draw_of(s, output.random_counter);
    if (s.temperature > 0.0F) r.flags |= kDraw;
    r.random = draw.random;
    r.min_weight = draw.min_weight;
    r.scale = draw.scale;
    r.top_p = draw.top_p;
    if (s.top_k > 0) r.top_k = std::min(s.top_k, n_vocab_);
    const backend::Penalty penalty = backend::penalty_of(s);
    r.positive = penalty.positive;
    r.other = penalty.other;
    r.frequency = penalty.frequency;
    r.presence = penalty.presence;
    if (backend::has_penalty(s)) r.n_count = static_cast<uint32_t>(output.counts.size());
    if (backend::has_penalty(s) && (r.n_count > 0 || is_wanted(r, kFromLast))) r.flags |= kPenalize | kAdjust;
    r.n_bias = static_cast<uint32_t>(output.bias.size());
    if (r.n_bias > 0) r.flags |= kAdjust;
    CHECK(output.mask.empty() || output.mask.size() >= n_mask_word(n_vocab_));
    if (!output.mask.empty()) r.flags |= kMask | kAdjust;
    if (s.temperature > 0.0F && r.top_k > kNarrowMax) r.flags |= kWideToken;
  }
  max_logprob_ = std::max(max_logprob_, r.n_logprob);
  class_ = std::max(class_, class_of(r));
  requests_.push_back(r);
}

void OutputPack::place_lists() {
  size_t end = align16(requests_.size() * sizeof(SampleRequest));
  for (SampleRequest& r : requests_) r.count_offset = take(end, r.n_count, sizeof(PackedCount));
  end = align16(end);
  for (SampleRequest& r : requests_) r.bias_offset = take(end, r.n_bias, sizeof(PackedBias));
  end = align16(end);
  for (SampleRequest& r : requests_)
    r.mask_offset = take(end, is_wanted(r, kMask) ? n_mask_word(n_vocab_) : 0, sizeof(uint32_t));
  bytes_ = align16(end);
}

size_t OutputPack::most_bytes(int max_output, int n_vocab, int max_bias) {
  const size_t each = sizeof(SampleRequest) + static_cast<size_t>(n_vocab) * sizeof(PackedCount) +
                      static_cast<size_t>(max_bias) * sizeof(PackedBias) + n_mask_word(n_vocab) * sizeof(uint32_t);
  return static_cast<size_t>(max_output) * each + size_t{3} * 16;
}

void OutputPack::write(const backend::Batch& batch, std::byte* block) const {
  CHECK(batch.outputs.size() == requests_.size());
  if (!requests_.empty()) std::memcpy(block, requests_.data(), requests_.size() * sizeof(SampleRequest));
  for (size_t i = 0; i < requests_.size(); ++i) {
    const SampleRequest& r = requests_[i];
    const Output& output = batch.outputs[i];
    auto* counts = reinterpret_cast<PackedCount*>(block + r.count_offset);
    for (uint32_t c = 0; c < r.n_count; ++c) {
      const backend::TokenCount& count = output.counts[c];
      CHECK(count.token >= 0 && count.token < n_vocab_ && count.n_output >= 0);
      counts[c] = {count.token, 2 * static_cast<uint32_t>(count.n_output) + (count.in_prompt ? 1U : 0U)};
    }
    if (r.n_bias > 0) write_bias(output.bias, n_vocab_, reinterpret_cast<PackedBias*>(block + r.bias_offset));
    if (is_wanted(r, kMask))
      std::memcpy(block + r.mask_offset, output.mask.data(), n_mask_word(n_vocab_) * sizeof(uint32_t));
  }
}

void OutputPack::unpack(const SampleResult* results, const TopEntry* top, int top_stride, const float* logits,
                        backend::StepResult& out) const {
  out.outputs.assign(requests_.size(), {});
  for (size_t i = 0; i < requests_.size(); ++i) {
    backend::OutputResult& result = out.outputs[i];
    result.token = results[i].token;
    CHECK(result.token >= (is_wanted(requests_[i], kSample) ? 0 : -1) && result.token < n_vocab_);
    const auto n_top = static_cast<size_t>(requests_[i].n_logprob);
    const auto log_probability = [&](float logit) {
      return backend::log_probability(logit, results[i].largest, results[i].sum);
    };
    if (n_top > 0 && result.token >= 0) result.logprob = log_probability(results[i].logit);
    for (size_t j = 0; j < n_top; ++j) {
      const TopEntry& entry = top[i * static_cast<size_t>(top_stride) + j];
      result.top.push_back({entry.token, log_probability(entry.logit)});
    }
  }
  const auto n_vocab = static_cast<size_t>(n_vocab_);
  for (size_t i = 0; i < logit_outputs_.size(); ++i) {
    const float* row = logits + i * n_vocab;
    out.outputs[static_cast<size_t>(logit_outputs_[i])].logits.assign(row, row + n_vocab);
  }
}

}  // namespace tercet::cuda
