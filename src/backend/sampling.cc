#include "backend/sampling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tercet::backend {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// A logit and its token in one integer whose order is that of sampling: the larger logit, then the lower id, is
// greater. No two tokens of a row have the same key, so that "the k best" and "the nucleus" are each "all keys from a
// cut on".
using Key = uint64_t;

Key make_key(float logit, size_t id) {
  const float v = std::isnan(logit) ? -kInf : logit + 0.0F;  // -0 + 0 is +0: the two zeros tie
  const auto bits = std::bit_cast<uint32_t>(v);
  const uint32_t flip = (0U - (bits >> 31)) | 0x8000'0000U;  // all bits of a negative one, else the sign
  const uint32_t ordered = bits ^ flip;
  return (uint64_t{ordered} << 32) | ~static_cast<uint32_t>(id);
}

TokenId key_token(Key key) { return static_cast<TokenId>(~static_cast<uint32_t>(key)); }

float key_logit(Key key) {
  const auto ordered = static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>((ordered >> 31) != 0 ? ordered & 0x7FFF'FFFFU : ~ordered);
}

// Memory that lives from row to row: a vocabulary's worth of it is too much to ask the system for at each token.
struct Scratch {
  std::vector<float> logits;    // adjusted, where anything is to adjust
  std::vector<Key> kept;        // the tokens still in the game, in id order
  std::vector<double> weights;  // exp((logit - largest) / temperature) of each of `kept`
  std::vector<Key> order, spare;
};

float penalized(float logit, const Sampling& s, int n_output, bool in_prompt) {
  if (n_output > 0 || in_prompt) logit = logit > 0.0F ? logit / s.repeat_penalty : logit * s.repeat_penalty;
  if (n_output > 0) {
    logit -= s.frequency_penalty * static_cast<float>(n_output);
    logit -= s.presence_penalty;
  }
  return logit;
}

void apply_penalties(std::vector<float>& logits, const Output& request, TokenId last) {
  const auto apply = [&](TokenId token, int n_output, bool in_prompt) {
    CHECK(token >= 0 && static_cast<size_t>(token) < logits.size());
    float& logit = logits[static_cast<size_t>(token)];
    logit = penalized(logit, request.sampling, n_output, in_prompt);
  };
  bool last_counted = false;
  for (const TokenCount& count : request.counts) {
    const bool is_last = count.token == last;
    last_counted = last_counted || is_last;
    apply(count.token, count.n_output + (is_last ? 1 : 0), count.in_prompt);
  }
  if (last >= 0 && !last_counted) apply(last, 1, false);
}

bool is_allowed(std::span<const uint32_t> mask, size_t id) {
  return mask.empty() || ((mask[id / 32] >> (id % 32)) & 1U) != 0;
}

bool has_penalty(const Sampling& s) {
  return s.repeat_penalty != 1.0F || s.presence_penalty != 0.0F || s.frequency_penalty != 0.0F;
}

// The logits after penalties, bias and mask (-inf); the raw ones themselves where none of these is asked for.
std::span<const float> adjust(std::span<const float> raw, const Output& request, TokenId last,
                              std::vector<float>& scratch) {
  const bool penalize = has_penalty(request.sampling) && (!request.counts.empty() || last >= 0);
  if (!penalize && request.bias.empty() && request.mask.empty()) return raw;
  scratch.assign(raw.begin(), raw.end());
  if (penalize) apply_penalties(scratch, request, last);
  for (const TokenBias& bias : request.bias) {
    CHECK(bias.token >= 0 && static_cast<size_t>(bias.token) < scratch.size());
    scratch[static_cast<size_t>(bias.token)] += bias.bias;
  }
  if (!request.mask.empty()) {
    CHECK(request.mask.size() >= (scratch.size() + 31) / 32);
    for (size_t id = 0; id < scratch.size(); ++id)
      if (!is_allowed(request.mask, id)) scratch[id] = -kInf;
  }
  return scratch;
}

// The first of the largest, or -1 if none is above -inf. The comparison is false for NaN, which makes it -inf.
TokenId find_largest(std::span<const float> logits) {
  TokenId best = -1;
  float largest = -kInf;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > largest) {
      largest = logits[id];
      best = static_cast<TokenId>(id);
    }
  }
  return best;
}

TokenId first_allowed(std::span<const uint32_t> mask, size_t n_vocab) {
  for (size_t id = 0; id < n_vocab; ++id)
    if (is_allowed(mask, id)) return static_cast<TokenId>(id);
  return 0;
}

// The key of the k-th best token, or 0 when there are no more than k. Keeps the best of what it saw in a buffer of 2k,
// so that nearly every token costs one comparison and the worst order costs a constant more.
Key find_kth_best(std::span<const float> logits, size_t k, std::vector<Key>& buffer) {
  if (k >= logits.size()) return 0;
  const auto shrink = [&] {
    std::nth_element(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(k - 1), buffer.end(), std::greater{});
    buffer.resize(k);
    return buffer.back();
  };
  buffer.clear();
  Key cut = 0;
  float cut_logit = -kInf;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] < cut_logit) continue;
    const Key key = make_key(logits[id], id);
    if (key <= cut) continue;
    buffer.push_back(key);
    if (buffer.size() < 2 * k) continue;
    cut = shrink();
    cut_logit = key_logit(cut);
  }
  return buffer.size() > k ? shrink() : cut;
}

void keep_from(std::span<const float> logits, Key cut, std::vector<Key>& kept) {
  kept.clear();
  const float cut_logit = cut == 0 ? -kInf : key_logit(cut);
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] < cut_logit) continue;
    const Key key = make_key(logits[id], id);
    if (key >= cut) kept.push_back(key);
  }
}

// Most probable first. `keys` come in id order, which a stable sort by logit keeps among ties: three passes of 11 bits.
void sort_descending(std::vector<Key>& keys, std::vector<Key>& spare) {
  constexpr size_t kDigit = 2048;
  if (keys.size() < kDigit) {
    std::sort(keys.begin(), keys.end(), std::greater{});
    return;
  }
  const auto digit = [](Key key, int shift) { return kDigit - 1 - ((key >> shift) & (kDigit - 1)); };
  spare.resize(keys.size());
  for (const int shift : {32, 43, 54}) {
    std::array<size_t, kDigit> place{};
    for (const Key key : keys) ++place[digit(key, shift)];
    size_t start = 0;
    for (size_t& p : place) start += std::exchange(p, start);
    for (const Key key : keys) spare[place[digit(key, shift)]++] = key;
    keys.swap(spare);
  }
}

double weight_of(Key key, double largest, double temperature) {
  return std::exp((static_cast<double>(key_logit(key)) - largest) / temperature);
}

double sum_of(const std::vector<double>& weights) {
  double sum = 0.0;
  for (const double weight : weights) sum += weight;
  return sum;
}

// Drops the tokens for which `keep(key, weight)` is false; the others stay in id order.
template <typename Keep>
void filter(Scratch& s, Keep keep) {
  size_t n = 0;
  for (size_t i = 0; i < s.kept.size(); ++i) {
    if (!keep(s.kept[i], s.weights[i])) continue;
    s.kept[n] = s.kept[i];
    s.weights[n++] = s.weights[i];
  }
  s.kept.resize(n);
  s.weights.resize(n);
}

// The smallest set of most probable tokens whose weights reach top_p of the sum, and at least one.
void keep_nucleus(Scratch& s, double top_p, double largest, double temperature) {
  const double total = sum_of(s.weights);
  // Tokens below the floor hold less than half of the 1 - top_p that may be left out, so none is in the nucleus, and
  // only a few of a vocabulary need to be sorted.
  const double floor = 0.5 * (1.0 - top_p) * total / static_cast<double>(s.kept.size());
  s.order.clear();
  for (size_t i = 0; i < s.kept.size(); ++i)
    if (s.weights[i] >= floor) s.order.push_back(s.kept[i]);
  sort_descending(s.order, s.spare);
  double sum = 0.0;
  Key cut = 0;
  for (const Key key : s.order) {
    cut = key;
    sum += weight_of(key, largest, temperature);
    if (sum >= top_p * total) break;
  }
  filter(s, [&](Key key, double) { return key >= cut; });
}

TokenId draw(const Scratch& s, double uniform_number) {
  const double target = uniform_number * sum_of(s.weights);
  double sum = 0.0;
  size_t last = 0;
  for (size_t i = 0; i < s.kept.size(); ++i) {
    sum += s.weights[i];
    if (sum > target) return key_token(s.kept[i]);
    if (s.weights[i] > 0.0) last = i;
  }
  return key_token(s.kept[last]);  // the product was rounded up to the sum
}

TokenId choose(std::span<const float> logits, const Output& request, Scratch& s) {
  const TokenId best = find_largest(logits);
  if (best < 0) return first_allowed(request.mask, logits.size());
  const Sampling& p = request.sampling;
  const double largest = logits[static_cast<size_t>(best)];
  if (!(p.temperature > 0.0F) || std::isinf(largest)) return best;

  const double temperature = p.temperature;
  keep_from(logits, p.top_k > 0 ? find_kth_best(logits, static_cast<size_t>(p.top_k), s.order) : 0, s.kept);
  s.weights.resize(s.kept.size());
  for (size_t i = 0; i < s.kept.size(); ++i) s.weights[i] = weight_of(s.kept[i], largest, temperature);
  if (p.top_p < 1.0F) keep_nucleus(s, p.top_p, largest, temperature);
  if (p.min_p > 0.0F) filter(s, [&](Key, double weight) { return weight >= static_cast<double>(p.min_p); });
  return draw(s, uniform(p.seed, request.random_counter));
}

// ln(softmax(raw)) of any token. With +inf among the logits these share the whole probability.
class LogSoftmax {
 public:
  explicit LogSoftmax(std::span<const float> raw) {
    const TokenId best = find_largest(raw);
    if (best < 0) return;
    largest_ = raw[static_cast<size_t>(best)];
    double sum = 0.0;
    for (const float logit : raw) sum += share(logit);
    log_sum_ = std::log(sum);
  }
  float of(float logit) const {
    if (std::isnan(logit) || std::isinf(largest_)) {
      return logit == kInf ? static_cast<float>(-log_sum_) : -kInf;
    }
    return static_cast<float>(static_cast<double>(logit) - largest_ - log_sum_);
  }

 private:
  double share(float logit) const {
    if (std::isinf(largest_)) return logit == kInf ? 1.0 : 0.0;
    return std::isnan(logit) ? 0.0 : std::exp(static_cast<double>(logit) - largest_);
  }
  double largest_ = -std::numeric_limits<double>::infinity();
  double log_sum_ = 0.0;
};

void report_logprobs(std::span<const float> raw, const Output& request, Scratch& s, OutputResult& out) {
  const LogSoftmax log_softmax(raw);
  keep_from(raw, find_kth_best(raw, static_cast<size_t>(request.n_logprob), s.order), s.kept);
  sort_descending(s.kept, s.spare);
  for (const Key key : s.kept) out.top.push_back({key_token(key), log_softmax.of(key_logit(key))});
  if (request.sample) out.logprob = log_softmax.of(raw[static_cast<size_t>(out.token)]);
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

double uniform(uint64_t seed, uint64_t counter) {
  const auto words = philox4x32({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
                                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t bits = (uint64_t{words[0]} << 32) | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

void sample_row(std::span<const float> logits, const Output& request, TokenId last, OutputResult& out) {
  CHECK(!logits.empty());
  thread_local Scratch scratch;
  out = {};
  if (request.sample) out.token = choose(adjust(logits, request, last, scratch.logits), request, scratch);
  if (request.n_logprob > 0) report_logprobs(logits, request, scratch, out);
  if (request.logits) out.logits.assign(logits.begin(), logits.end());
}

}  // namespace tercet::backend
