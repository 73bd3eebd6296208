#include "wgpu/sampler.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "backend/sampling.h"
#include "base/check.h"

namespace tercet::wgpu {
namespace {

using backend::Output;

constexpr int kBins = 1024;  // of a digit

// kernels/request.wgsl has these by number.
enum Flag : uint32_t { kSamples = 1, kDraws = 2, kLists = 4, kPenalizes = 8, kFromLast = 16, kMasks = 32 };
enum Word {
  kFlags,
  kDrawView,
  kListView,
  kKeyRow,
  kCounts,
  kCountsAt,
  kBiases,
  kBiasesAt,
  kMaskAt,
  kPositive,
  kOther,
  kOfFirst,
  kRandom,
  kMinWeight = 14,
  kRequestWords = 16
};
constexpr int kViewWords = 8;

uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }

// The logit that a key of kernels/common.wgsl is of.
float key_logit(uint32_t key) { return std::bit_cast<float>((key >> 31) != 0 ? key & 0x7FFF'FFFFU : ~key); }

bool draws(const Output& output) { return output.sample && output.sampling.temperature > 0.0F; }

int n_listed(const Output& output, int n_vocab) { return std::clamp(output.n_logprob, 0, n_vocab); }

}  // namespace

int n_sample_level(int n_vocab) { return (32 + sample_id_bits(n_vocab) + 9) / 10; }

int64_t sample_view_words(int n_vocab) {
  const int64_t n_level = n_sample_level(n_vocab);
  return 8 + 16 * n_level + int64_t{3} * kBins * (2 * n_level - 1) + 2 * n_sample_chunk(n_vocab);
}

uint32_t RequestWriter::add_view(const Output& output, bool is_list, uint32_t row) {
  const backend::Draw draw = backend::draw_of(output.sampling, output.random_counter);
  const int n_kept = is_list ? n_listed(output, n_vocab_) : output.sampling.top_k;
  const uint32_t count = n_kept > 0 && n_kept < n_vocab_ ? static_cast<uint32_t>(n_kept) : 0;
  const uint32_t top_p = is_list ? backend::kNoTopP : draw.top_p;
  const float scale = is_list ? backend::kScaleOfOne : draw.scale;
  for (const uint32_t word :
       {n_output_, is_list ? 1U : 0U, row, count, top_p, bits(scale), static_cast<uint32_t>(shape_.n_entry), 0U})
    views_.push_back(word);
  if (is_list) shape_.n_entry += n_kept;
  shape_.has_count = shape_.has_count || count > 0;
  shape_.has_weight = shape_.has_weight || top_p != backend::kNoTopP;
  return static_cast<uint32_t>(shape_.n_view++);
}

// Counts, biases and mask of an output that samples.
void RequestWriter::write_lists(const Output& output, size_t at) {
  const backend::Penalty penalty = backend::penalty_of(output.sampling);
  if ((words_[at] & kPenalizes) != 0) {
    words_[at + kCountsAt] = static_cast<uint32_t>(words_.size());
    for (const backend::TokenCount& count : output.counts) {
      CHECK(count.token >= 0 && count.token < n_vocab_);
      if (count.n_output <= 0 && !count.in_prompt) continue;  // in flight it is as one that was never counted
      ++words_[at + kCounts];
      words_.push_back(static_cast<uint32_t>(count.token));
      words_.push_back(bits(penalty.of_output(count.n_output)));
      words_.push_back(bits(penalty.of_output(count.n_output + 1)));
    }
  }
  if (!output.bias.empty()) {
    words_[at + kBiases] = static_cast<uint32_t>(output.bias.size());
    words_[at + kBiasesAt] = static_cast<uint32_t>(words_.size());
    std::vector<backend::TokenBias> sorted(output.bias.begin(), output.bias.end());
    std::ranges::stable_sort(sorted, {}, &backend::TokenBias::token);
    for (const backend::TokenBias& bias : sorted) {
      CHECK(bias.token >= 0 && bias.token < n_vocab_);
      words_.push_back(static_cast<uint32_t>(bias.token));
      words_.push_back(bits(backend::settled(bias.bias)));
    }
  }
  if (!output.mask.empty()) {
    const size_t n_word = (static_cast<size_t>(n_vocab_) + 31) / 32;
    CHECK(output.mask.size() >= n_word);
    words_[at + kMaskAt] = static_cast<uint32_t>(words_.size());
    words_.insert(words_.end(), output.mask.begin(), output.mask.begin() + static_cast<std::ptrdiff_t>(n_word));
  }
}

void RequestWriter::write_request(const Output& output, bool is_from_last, size_t at) {
  const backend::Sampling& s = output.sampling;
  uint32_t flags = 0;
  if (n_listed(output, n_vocab_) > 0) {
    flags |= kLists;
    words_[at + kListView] = add_view(output, true, n_output_);
  }
  if (output.sample) {
    flags |= kSamples;
    if (is_from_last) flags |= kFromLast;
    if (backend::has_penalty(s) && (!output.counts.empty() || is_from_last)) flags |= kPenalizes;
    if (!output.mask.empty()) flags |= kMasks;
    const backend::Penalty penalty = backend::penalty_of(s);
    words_[at + kPositive] = bits(penalty.positive);
    words_[at + kOther] = bits(penalty.other);
    words_[at + kOfFirst] = bits(penalty.of_output(1));
  }
  if (draws(output)) {
    flags |= kDraws;
    words_[at + kKeyRow] = static_cast<uint32_t>(shape_.n_key_row);
    words_[at + kDrawView] = add_view(output, false, static_cast<uint32_t>(shape_.n_key_row++));
    const backend::Draw draw = backend::draw_of(s, output.random_counter);
    words_[at + kRandom] = static_cast<uint32_t>(draw.random);
    words_[at + kRandom + 1] = static_cast<uint32_t>(draw.random >> 32);
    words_[at + kMinWeight] = static_cast<uint32_t>(draw.min_weight);
    words_[at + kMinWeight + 1] = static_cast<uint32_t>(draw.min_weight >> 32);
  }
  words_[at] = flags;
  if ((flags & (kDraws | kLists | kPenalizes | kMasks)) != 0 || (output.sample && !output.bias.empty()))
    shape_.is_plain = false;
  if (output.sample) write_lists(output, at);
}

void RequestWriter::write(const backend::Step& step) {
  requests_at_ = static_cast<uint32_t>(words_.size());
  words_.resize(words_.size() + kRequestWords * step.outputs().size(), 0);
  for (const Output& output : step.outputs()) {
    const bool is_from_last = step.rows()[static_cast<size_t>(output.row)].token == backend::kLast;
    write_request(output, is_from_last, requests_at_ + size_t{kRequestWords} * n_output_);
    ++n_output_;
  }
  CHECK(views_.size() == size_t{kViewWords} * static_cast<size_t>(shape_.n_view));
  views_at_ = static_cast<uint32_t>(words_.size());
  words_.insert(words_.end(), views_.begin(), views_.end());
}

void unpack_samples(const backend::Step& step, int n_vocab, std::span<const uint32_t> results,
                    std::span<const uint32_t> entries, backend::StepResult& out) {
  out.outputs.assign(step.outputs().size(), {});
  size_t next = 0;
  for (size_t i = 0; i < out.outputs.size(); ++i) {
    const Output& request = step.outputs()[i];
    backend::OutputResult& result = out.outputs[i];
    const auto words = results.subspan(kResultWords * i, kResultWords);
    if (request.sample) result.token = static_cast<backend::TokenId>(words[0]);
    CHECK(!request.sample || (result.token >= 0 && result.token < n_vocab));
    const auto n_entry = static_cast<size_t>(n_listed(request, n_vocab));
    if (n_entry == 0) continue;
    const uint64_t sum = (uint64_t{words[4]} << 32) | words[3];
    const auto log_probability = [&](float logit) { return backend::log_probability(logit, key_logit(words[2]), sum); };
    if (request.sample) result.logprob = log_probability(std::bit_cast<float>(words[1]));
    std::vector<std::pair<uint32_t, uint32_t>> list;  // ascending: by ~key, then by id
    for (size_t j = 0; j < n_entry; ++j, ++next) list.emplace_back(~entries[2 * next], entries[2 * next + 1]);
    std::ranges::sort(list);
    for (const auto& [key, id] : list)
      result.top.push_back({static_cast<backend::TokenId>(id), log_probability(key_logit(~key))});
  }
}

}  // namespace tercet::wgpu
