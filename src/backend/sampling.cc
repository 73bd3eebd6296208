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
constexpr float kSmallest = 0x1p-100F;  // settled()

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
  std::vector<float> logits;      // adjusted, where anything is to adjust
  std::vector<Key> kept;          // the tokens still in the game, in id order
  std::vector<uint64_t> weights;  // of each of `kept`
  std::vector<Key> order, spare;
};

float penalized(float logit, const Penalty& p, int n_output, bool in_prompt) {
  if (n_output <= 0 && !in_prompt) return logit;
  logit = settled(logit);
  logit = settled(logit * (logit > 0.0F ? p.positive : p.other));
  return settled(logit - p.of_output(n_output));
}

void apply_penalties(std::vector<float>& logits, const Output& request, TokenId last) {
  const Penalty penalty = penalty_of(request.sampling);
  const auto apply = [&](TokenId token, int n_output, bool in_prompt) {
    CHECK(token >= 0 && static_cast<size_t>(token) < logits.size());
    float& logit = logits[static_cast<size_t>(token)];
    logit = penalized(logit, penalty, n_output, in_prompt);
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

// The logits after penalties, bias and mask (-inf); the raw ones themselves where none of these is asked for.
std::span<const float> adjust(std::span<const float> raw, const Output& request, TokenId last,
                              std::vector<float>& scratch) {
  const bool penalize = has_penalty(request.sampling) && (!request.counts.empty() || last >= 0);
  if (!penalize && request.bias.empty() && request.mask.empty()) return raw;
  scratch.assign(raw.begin(), raw.end());
  if (penalize) apply_penalties(scratch, request, last);
  for (const TokenBias& bias : request.bias) {
    CHECK(bias.token >= 0 && static_cast<size_t>(bias.token) < scratch.size());
    float& logit = scratch[static_cast<size_t>(bias.token)];
    logit = settled(settled(logit) + settled(bias.bias));
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

uint64_t sum_of(const std::vector<uint64_t>& weights) {
  uint64_t sum = 0;
  for (const uint64_t weight : weights) sum += weight;
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
void keep_nucleus(Scratch& s, uint32_t top_p, float largest, float scale) {
  const uint64_t total = sum_of(s.weights);
  const uint64_t goal = part_of(total, top_p);
  // Tokens below the floor hold less than what may be left out, so none is in the nucleus, and only a few of a vocabulary
  // need to be sorted.
  const uint64_t floor = (total - goal) / s.kept.size();
  s.order.clear();
  for (size_t i = 0; i < s.kept.size(); ++i)
    if (s.weights[i] >= floor) s.order.push_back(s.kept[i]);
  sort_descending(s.order, s.spare);
  uint64_t sum = 0;
  Key cut = 0;
  for (const Key key : s.order) {
    cut = key;
    sum += weight_of(key_logit(key), largest, scale);
    if (sum >= goal) break;
  }
  filter(s, [&](Key key, uint64_t) { return key >= cut; });
}

TokenId draw(const Scratch& s, uint64_t random) {
  const uint64_t target = mul_high(random, sum_of(s.weights));
  uint64_t sum = 0;
  size_t i = 0;
  while ((sum += s.weights[i]) <= target) ++i;  // the target is below the sum of all
  return key_token(s.kept[i]);
}

TokenId choose(std::span<const float> logits, const Output& request, Scratch& s) {
  const TokenId best = find_largest(logits);
  if (best < 0) return first_allowed(request.mask, logits.size());
  const Sampling& p = request.sampling;
  const float largest = logits[static_cast<size_t>(best)];
  if (!(p.temperature > 0.0F) || std::isinf(largest)) return best;

  const Draw d = draw_of(p, request.random_counter);
  keep_from(logits, p.top_k > 0 ? find_kth_best(logits, static_cast<size_t>(p.top_k), s.order) : 0, s.kept);
  s.weights.resize(s.kept.size());
  for (size_t i = 0; i < s.kept.size(); ++i) s.weights[i] = weight_of(key_logit(s.kept[i]), largest, d.scale);
  if (d.top_p != kNoTopP) keep_nucleus(s, d.top_p, largest, d.scale);
  if (d.min_weight > 0) filter(s, [&](Key, uint64_t weight) { return weight >= d.min_weight; });
  return draw(s, d.random);
}

void report_logprobs(std::span<const float> raw, const Output& request, Scratch& s, OutputResult& out) {
  const TokenId best = find_largest(raw);
  const float largest = best < 0 ? -kInf : raw[static_cast<size_t>(best)];
  uint64_t sum = 0;
  for (const float logit : raw) sum += weight_of(logit, largest, kScaleOfOne);
  keep_from(raw, find_kth_best(raw, static_cast<size_t>(request.n_logprob), s.order), s.kept);
  sort_descending(s.kept, s.spare);
  for (const Key key : s.kept) out.top.push_back({key_token(key), log_probability(key_logit(key), largest, sum)});
  if (request.sample) out.logprob = log_probability(raw[static_cast<size_t>(out.token)], largest, sum);
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

uint64_t random_bits(uint64_t seed, uint64_t counter) {
  const auto words = philox4x32({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
                                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return (uint64_t{words[0]} << 32) | words[1];
}

float settled(float logit) { return std::abs(logit) < kSmallest ? 0.0F : logit; }

// log2(e) * 2^24 / temperature. At most 2^84, so that a distance whose subnormals a device flushes is an exponent of 0
// either way.
float scale_of(float temperature) {
  const double scale = 0x1.71547652b82fep+0 * (1 << kExponentBits) / static_cast<double>(temperature);
  return static_cast<float>(std::min(scale, 0x1p84));
}

Draw draw_of(const Sampling& s, uint64_t random_counter) {
  Draw d;
  d.scale = scale_of(s.temperature);
  d.top_p = kNoTopP;
  // A float below 1 is at most 1 - 2^-24, so that the product is below 2^32.
  if (s.top_p < 1.0F) d.top_p = static_cast<uint32_t>(std::ceil(std::max(double{s.top_p}, 0.0) * 0x1p32));
  if (s.min_p > 0.0F)
    d.min_weight =
        static_cast<uint64_t>(std::ceil(std::min(double{s.min_p}, 1.0) * static_cast<double>(kWeightOfLargest)));
  d.random = random_bits(s.seed, random_counter);
  return d;
}

uint64_t weight_of(float logit, float largest, float scale) {
  if (logit == largest) return kWeightOfLargest;
  const float exponent = (largest - logit) * scale;
  return exponent < 0x1p31F ? weight_at(static_cast<uint32_t>(exponent)) : 0;
}

bool has_penalty(const Sampling& s) {
  return s.repeat_penalty != 1.0F || s.presence_penalty != 0.0F || s.frequency_penalty != 0.0F;
}

Penalty penalty_of(const Sampling& s) {
  return {settled(1.0F / s.repeat_penalty), settled(s.repeat_penalty), s.frequency_penalty, s.presence_penalty};
}

float Penalty::of_output(int n_output) const {
  if (n_output <= 0) return 0.0F;
  return settled(settled(frequency * static_cast<float>(n_output)) + presence);
}

// The sum is in units of the largest one's weight; the largest itself is at a distance of 0.
float log_probability(float logit, float largest, uint64_t sum) {
  if (largest == -kInf) return -kInf;
  const double log_sum = std::log(static_cast<double>(sum) * 0x1p-40);
  if (std::isnan(logit) || std::isinf(largest)) return logit == kInf ? static_cast<float>(-log_sum) : -kInf;
  return static_cast<float>(static_cast<double>(logit) - static_cast<double>(largest) - log_sum);
}

void sample_row(std::span<const float> logits, const Output& request, TokenId last, OutputResult& out) {
  CHECK(!logits.empty() && logits.size() < (size_t{1} << kMaxSampleBits));
  thread_local Scratch scratch;
  out = {};
  if (request.sample) out.token = choose(adjust(logits, request, last, scratch.logits), request, scratch);
  if (request.n_logprob > 0) report_logprobs(logits, request, scratch, out);
  if (request.logits) out.logits.assign(logits.begin(), logits.end());
}

}  // namespace tercet::backend
