// Owns the cases of sampling_test.cc, and of WebGPU's: rows and requests at random.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backend/sampling.h"

namespace tercet::cuda {

using backend::Output;
using backend::Sampling;
using backend::TokenBias;
using backend::TokenCount;
using backend::TokenId;

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One output and all that its spans point to.
struct Request {
  Output output;
  TokenId last = -1;  // what the slot remembers; the row is kLast if there is one
  std::vector<TokenCount> counts;
  std::vector<TokenBias> bias;
  std::vector<uint32_t> mask;
  std::vector<float> logits;
  std::string name;  // of the kind of logits

  Output wanted() const {
    Output o = output;
    o.counts = counts;
    o.bias = bias;
    o.mask = mask;
    return o;
  }
  std::string describe() const {
    const Sampling& s = output.sampling;
    return fmt::format(
        "{} logits, vocabulary {}: sample {}, temperature {}, top_k {}, top_p {}, min_p {}, penalties {} {} "
        "{}, seed {} {}, {} log-probabilities, {} counts, {} bias, mask {}, last {}",
        name, logits.size(), output.sample, s.temperature, s.top_k, s.top_p, s.min_p, s.repeat_penalty,
        s.presence_penalty, s.frequency_penalty, s.seed, output.random_counter, output.n_logprob, counts.size(),
        bias.size(), mask.empty() ? "none" : "yes", last);
  }
};

// Of the raw logits: the weights' sum, which log-probabilities are made of, and whose last bits they do not show.
inline uint64_t weight_sum(const Request& q) {
  float largest = -kInf;
  for (const float logit : q.logits) largest = logit > largest ? logit : largest;
  uint64_t sum = 0;
  for (const float logit : q.logits) sum += backend::weight_of(logit, largest, backend::kScaleOfOne);
  return sum;
}

// What the rows and requests are made of. `below(n)` is 0..n-1.
class Maker {
 public:
  explicit Maker(uint32_t seed) : random_(seed) {}

  uint32_t below(size_t n) { return static_cast<uint32_t>(random_() % n); }
  template <typename T>
  T one_of(std::initializer_list<T> list) {
    return *(list.begin() + below(list.size()));
  }

  Request make(size_t n_vocab) {
    Request q;
    make_logits(q, n_vocab);
    Sampling& s = q.output.sampling;
    const auto n = static_cast<int32_t>(n_vocab);
    s.temperature = one_of({0.0F, 1e-9F, 0.3F, 0.7F, 0.7F, 1.0F, 1.0F, 3.0F, 1e9F});
    s.top_k = one_of({0, 0, 1, 2, 20, 20, 40, 63, 64, 65, 100, 1000, 5000, n - 1, n, n + 1});
    s.top_p = one_of({0.0F, 0.1F, 0.5F, 0.8F, 0.8F, 0.95F, 0.999999F, 1.0F, 1.0F, 1.0F});
    s.min_p = one_of({0.0F, 0.0F, 0.0F, 0.05F, 0.5F, 1.0F});
    s.seed = (uint64_t{random_()} << 32) | random_();
    q.output.random_counter = one_of({uint64_t{0}, uint64_t{random_()}, uint64_t{random_()} << 32});
    q.output.sample = below(12) != 0;
    q.output.n_logprob = one_of({0, 0, 0, 0, 0, 1, 5, 20, 64, 65, 300, 1000});
    if (below(2) == 0) make_penalties(q, n_vocab);
    if (below(4) == 0) make_bias(q, n_vocab);
    if (below(4) == 0) make_mask(q, n_vocab);
    return q;
  }

 private:
  float normal() {  // nearly: the sum of four uniform numbers, cheap
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(random_()) * 0x1p-32 - 0.5;
    return static_cast<float>(sum * std::sqrt(3.0));
  }

  void make_logits(Request& q, size_t n_vocab) {
    using Fill = std::function<float(size_t)>;
    const size_t special = below(n_vocab);
    const size_t run = below(n_vocab);
    const std::vector<std::pair<const char*, Fill>> kinds = {
        {"normal", [&](size_t) { return 3 * normal(); }},
        {"normal", [&](size_t) { return 3 * normal(); }},
        {"flat", [&](size_t) { return 0.01F * normal(); }},
        {"steep", [&](size_t) { return 30 * normal(); }},
        {"tied", [&](size_t) { return std::round(4 * normal()) / 4; }},
        {"few-valued", [&](size_t) { return static_cast<float>(below(3)); }},
        {"equal", [&](size_t) { return 1.5F; }},
        {"zero", [&](size_t) { return below(2) == 0 ? 0.0F : -0.0F; }},
        {"all -inf", [&](size_t) { return -kInf; }},
        {"all NaN", [&](size_t) { return kNan; }},
        {"one finite", [&](size_t i) { return i == special    ? -3.0F
                                              : below(2) == 0 ? -kInf
                                                              : kNan; }},
        {"one +inf", [&](size_t i) { return i == special ? kInf : normal(); }},
        {"some +inf", [&](size_t) { return below(50) == 0 ? kInf : normal(); }},
        {"some NaN", [&](size_t) { return below(3) == 0 ? kNan : normal(); }},
        {"some -inf", [&](size_t) { return below(3) == 0 ? -kInf : normal(); }},
        {"peaked", [&](size_t i) { return i == special ? 40.0F : normal(); }},
        {"largest side by side", [&](size_t i) { return (i - run) < 300 ? 9 + 0.1F * normal() : normal(); }},
        {"huge", [&](size_t) { return 2e38F * normal(); }},
        {"denormal", [&](size_t) { return 1e-41F * normal(); }},
        {"ascending", [&](size_t i) { return static_cast<float>(i) / 1024; }},
    };
    const auto& [name, fill] = kinds[below(kinds.size())];
    q.name = name;
    q.logits.resize(n_vocab);
    for (size_t i = 0; i < n_vocab; ++i) q.logits[i] = fill(i);
  }

  void make_penalties(Request& q, size_t n_vocab) {
    Sampling& s = q.output.sampling;
    s.repeat_penalty = one_of({1.0F, 1.05F, 1.05F, 1.3F, 0.7F});
    s.presence_penalty = one_of({0.0F, 0.0F, 0.6F, -0.6F});
    s.frequency_penalty = one_of({0.0F, 0.0F, 0.1F, -0.3F});
    const size_t n = below(4) == 0 ? 0 : 1 + below(std::min<size_t>(n_vocab, below(2) == 0 ? 20 : 3000));
    // Distinct tokens in no order: an arithmetic progression whose step has no factor in common with the vocabulary.
    size_t step = 1 + below(n_vocab);
    while (std::gcd(step, n_vocab) != 1) ++step;
    size_t token = below(n_vocab);
    for (size_t i = 0; i < n; ++i, token = (token + step) % n_vocab)
      q.counts.push_back({static_cast<TokenId>(token), static_cast<int32_t>(one_of({0, 1, 2, 57})), below(2) == 0});
    if (n == 1) q.counts[0].token = best(q);
    const uint32_t kind = below(3);
    if (kind == 0) q.last = static_cast<TokenId>(below(n_vocab));
    if (kind == 1) q.last = n > 0 ? q.counts[below(n)].token : best(q);
  }
  static TokenId best(const Request& q) {
    return static_cast<TokenId>(std::max_element(q.logits.begin(), q.logits.end()) - q.logits.begin());
  }

  void make_bias(Request& q, size_t n_vocab) {
    const size_t n = one_of({1U, 3U, 300U});
    for (size_t i = 0; i < n; ++i) {
      const auto token = static_cast<TokenId>(below(3) == 0 ? below(std::min<size_t>(n_vocab, 5)) : below(n_vocab));
      q.bias.push_back({token, below(20) == 0 ? -100.0F : normal()});
    }
  }

  void make_mask(Request& q, size_t n_vocab) {
    q.mask.resize((n_vocab + 31) / 32);
    const uint32_t kind = below(5);
    for (uint32_t& word : q.mask) word = kind == 0 ? 0 : kind == 1 ? static_cast<uint32_t>(random_()) : 0;
    if (kind == 2) std::fill(q.mask.begin(), q.mask.end(), ~0U);
    const size_t n_few = kind == 3 ? 1 : kind == 4 ? 7 : 0;
    for (size_t i = 0; i < n_few; ++i) {
      const size_t token = below(n_vocab);
      q.mask[token / 32] |= 1U << (token % 32);
    }
    if (n_vocab % 32 != 0) q.mask.back() |= ~0U << (n_vocab % 32);  // what is past the end does not count
  }

  std::mt19937 random_;
};

}  // namespace tercet::cuda
