#include "backend/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace tercet::backend {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TokenId sample(const std::vector<float>& logits, const Output& request, TokenId last = -1) {
  OutputResult out;
  sample_row(logits, request, last, out);
  return out.token;
}

Output with(const Sampling& sampling, uint64_t counter = 0) {
  Output request;
  request.sampling = sampling;
  request.random_counter = counter;
  return request;
}

// How often each token comes out of n draws with counters 0..n-1.
std::vector<int> histogram(const std::vector<float>& logits, Output request, int n) {
  std::vector<int> count(logits.size());
  for (int i = 0; i < n; ++i) {
    request.random_counter = static_cast<uint64_t>(i);
    ++count[static_cast<size_t>(sample(logits, request))];
  }
  return count;
}

// The definition once more, the slow way: everything sorted, nothing skipped. The weights that are left, 0 for the others.
std::vector<uint64_t> kept_weights(const std::vector<float>& logits, const Sampling& s) {
  const size_t n = logits.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  const Draw d = draw_of(s, 0);
  std::vector<uint64_t> w(n);
  uint64_t total = 0;
  const size_t k = s.top_k > 0 ? std::min(n, static_cast<size_t>(s.top_k)) : n;
  for (size_t i = 0; i < k; ++i) total += w[order[i]] = weight_of(logits[order[i]], logits[order[0]], d.scale);
  uint64_t sum = 0;
  for (const size_t id : order) {
    const uint64_t weight = w[id];
    const bool is_reached = d.top_p != kNoTopP && id != order[0] && sum >= part_of(total, d.top_p);
    if (is_reached || weight < d.min_weight) w[id] = 0;
    sum += weight;
  }
  return w;
}

std::vector<double> analytic(const std::vector<float>& logits, const Sampling& s) {
  const std::vector<uint64_t> weights = kept_weights(logits, s);
  std::vector<double> p(weights.begin(), weights.end());
  const double kept = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= kept;
  return p;
}

// Chi-square against the analytic distribution. With at most 40 cells, 120 is exceeded by chance less than once in 1e9.
void expect_distribution(const std::vector<float>& logits, const Sampling& sampling) {
  constexpr int kDraws = 20000;
  const std::vector<double> p = analytic(logits, sampling);
  const std::vector<int> count = histogram(logits, with(sampling), kDraws);
  double chi_square = 0.0;
  for (size_t id = 0; id < p.size(); ++id) {
    if (p[id] == 0.0) {
      EXPECT_EQ(count[id], 0) << "token " << id << " was cut and came out";
    } else {
      const double want = p[id] * kDraws;
      chi_square += (count[id] - want) * (count[id] - want) / std::max(want, 1.0);
    }
  }
  EXPECT_LT(chi_square, 120.0) << "seed " << sampling.seed;
}

std::vector<float> random_logits(uint32_t seed, size_t n, double sigma) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0.0, sigma);
  std::vector<float> logits(n);
  for (float& logit : logits) logit = static_cast<float>(normal(random));
  return logits;
}

// tests/kat_vectors of the authors' Random123: counter, key, result.
TEST(Philox, GivesThePublishedVectors) {
  using Four = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}), (Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, IsTheFirstTwoWords) { EXPECT_EQ(random_bits(0, 0), 0x6627e8d5e169c58dULL); }

TEST(Random, DependsOnAllBitsOfSeedAndCounterAndFillsTheUnitInterval) {
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_NE(random_bits(uint64_t{1} << bit, 0), random_bits(0, 0));
    EXPECT_NE(random_bits(0, uint64_t{1} << bit), random_bits(0, 0));
    EXPECT_NE(random_bits(uint64_t{1} << bit, 0), random_bits(0, uint64_t{1} << bit));
  }
  double sum = 0.0;
  for (uint64_t i = 0; i < 10000; ++i) sum += static_cast<double>(random_bits(7, i)) * 0x1p-64;
  EXPECT_NEAR(sum / 10000, 0.5, 5 * std::sqrt(1.0 / 12 / 10000));
}

TEST(Weight, PowersOfTwoAreCloseAndFall) {
  uint32_t before = exp2_minus(0);
  ASSERT_EQ(before, 1U << 31);
  double worst = 0;
  for (uint32_t f = 1; f < 1U << kExponentBits; ++f) {
    const uint32_t power = exp2_minus(f);
    ASSERT_LT(power, before) << f;
    before = power;
    if (f % 31 == 0) worst = std::max(worst, std::abs(power / (0x1p31 * std::exp2(f * -0x1p-24)) - 1));
  }
  EXPECT_GT(before, 1U << 30) << "the last of an octave is above the first of the next";
  EXPECT_LT(worst, 0x1p-27);
}

TEST(Weight, IsThatOfTheExponential) {
  EXPECT_EQ(weight_of(3, 3, scale_of(1)), kWeightOfLargest);
  EXPECT_EQ(weight_of(2, 3, scale_of(static_cast<float>(1 / std::log(2.0)))) >> 20, kWeightOfLargest >> 21);
  for (const float temperature : {0.01F, 0.7F, 1.0F, 3.0F, 1e9F}) {
    for (const float largest : {-30.0F, 0.0F, 17.3F, 1000.0F}) {
      for (const float logit : random_logits(9, 5000, 12.0)) {
        if (logit > largest) continue;
        const long double exponent = (static_cast<long double>(largest) - logit) / temperature;
        const long double want = std::exp(-exponent) * 0x1p40L;
        // The distance, the scale and their product are rounded, and the exponent cut to 2^-24; then the polynomial. The
        // weight is rounded down.
        const long double bound = exponent * 3.01L * 0x1p-24L + 0x1p-24L + 0x1p-27L;
        const auto weight = static_cast<long double>(weight_of(logit, largest, scale_of(temperature)));
        ASSERT_NEAR(static_cast<double>(weight), static_cast<double>(want), static_cast<double>(want * bound + 1))
            << "temperature " << temperature << ", largest " << largest << ", logit " << logit;
      }
    }
  }
}

TEST(Weight, EndsAreExact) {
  EXPECT_EQ(weight_at(0), kWeightOfLargest);
  EXPECT_EQ(weight_at(1U << 24), kWeightOfLargest / 2);
  EXPECT_EQ(weight_at(40U << 24), 1U);
  EXPECT_EQ(weight_at((40U << 24) + 1), 0U);
  EXPECT_EQ(weight_at(~0U), 0U);
  const float most = std::numeric_limits<float>::max();
  for (const float scale : {scale_of(1e-9F), scale_of(1.0F), scale_of(kInf)}) {
    EXPECT_EQ(weight_of(-kInf, 0.0F, scale), 0U);
    EXPECT_EQ(weight_of(kNan, 0.0F, scale), 0U);
    EXPECT_EQ(weight_of(most, kInf, scale), 0U);
    EXPECT_EQ(weight_of(-most, most, scale), 0U) << "the distance overflows";
    EXPECT_EQ(weight_of(kInf, kInf, scale), kWeightOfLargest);
  }
  EXPECT_EQ(scale_of(1.0F), kScaleOfOne);
  EXPECT_EQ(scale_of(std::numeric_limits<float>::denorm_min()), 0x1p84F);
  EXPECT_GT(scale_of(most), std::numeric_limits<float>::min()) << "no subnormal, which a device may flush";
}

TEST(Weight, ProductsOf64BitsAreWhole) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 10000; ++i) {
    const uint64_t a = i < 4 ? (i % 2 == 0 ? 0 : ~uint64_t{0}) : random();
    const uint64_t b = i < 4 ? (i / 2 == 0 ? 0 : ~uint64_t{0}) : random();
    __extension__ using Wide = unsigned __int128;
    ASSERT_EQ(mul_high(a, b), static_cast<uint64_t>((Wide{a} * b) >> 64));
    const auto share = static_cast<uint32_t>(b);
    ASSERT_EQ(part_of(a, share), static_cast<uint64_t>((Wide{a} * share + 0xFFFF'FFFF) >> 32));
  }
}

TEST(Greedy, TakesTheLargestAndTheLowerIdAmongTies) {
  EXPECT_EQ(sample({1, 3, 2, 3}, {}), 1);
  EXPECT_EQ(sample({-0.0F, 0.0F}, {}), 0);
  EXPECT_EQ(sample({5}, {}), 0);
}

TEST(Greedy, CountsNanAsMinusInfinity) {
  EXPECT_EQ(sample({kNan, -5, kNan, -4}, {}), 3);
  EXPECT_EQ(sample({kNan, -kInf, kNan}, {}), 0);
  EXPECT_EQ(sample({1, kInf, kNan, kInf}, {}), 1);
}

TEST(Mask, ForbidsTokens) {
  const std::vector<uint32_t> mask = {0b1010, 0b1};
  std::vector<float> logits(33, 1.0F);
  logits[2] = 9.0F;
  Output request;
  request.mask = mask;
  EXPECT_EQ(sample(logits, request), 1);
  logits[32] = 2.0F;
  EXPECT_EQ(sample(logits, request), 32);
  request.sampling.temperature = 1.0F;
  const std::vector<int> count = histogram(logits, request, 500);
  EXPECT_EQ(count[1] + count[3] + count[32], 500);
  EXPECT_GT(count[3], 0);
}

TEST(Mask, LeavesTheFirstAllowedWhenNoLogitIsFinite) {
  const std::vector<uint32_t> mask = {0b100};
  const std::vector<uint32_t> nothing = {0};
  for (const float temperature : {0.0F, 1.0F}) {
    Output request;
    request.sampling.temperature = temperature;
    request.mask = mask;
    EXPECT_EQ(sample({3, 2, -kInf}, request), 2);
    EXPECT_EQ(sample({3, 2, kNan}, request), 2);
    request.mask = nothing;
    EXPECT_EQ(sample({1, 2, 3}, request), 0);
  }
}

TEST(Bias, IsAddedAfterThePenalties) {
  const std::vector<TokenBias> bias = {{0, 1.5F}, {2, -kInf}};
  Output request;
  request.bias = bias;
  EXPECT_EQ(sample({2, 3, 9}, request), 0);
  const std::vector<TokenCount> counts = {{0, 0, true}};
  request.counts = counts;
  request.sampling.repeat_penalty = 2.0F;
  EXPECT_EQ(sample({2, 2.4F, 9}, request), 0);  // 2 / 2 + 1.5 = 2.5; (2 + 1.5) / 2 would be 1.75
  EXPECT_EQ(sample({2, 2.6F, 9}, request), 1);
}

TEST(Penalties, RepeatShrinksPositiveAndMultipliesNegativeLogitsOfPromptAndOutput) {
  const std::vector<TokenCount> counts = {{0, 0, true}, {1, 3, false}};
  Output request;
  request.counts = counts;
  request.sampling.repeat_penalty = 2.0F;
  EXPECT_EQ(sample({4, 4, 2.1F}, request), 2);
  EXPECT_EQ(sample({4, 4, 1.9F}, request), 0);
  EXPECT_EQ(sample({-1, -1, -1.9F}, request), 2);
  EXPECT_EQ(sample({-1, -1, -2.1F}, request), 0);
}

TEST(Penalties, PresenceAndFrequencyLookAtTheOutputAlone) {
  const std::vector<TokenCount> counts = {{0, 0, true}, {1, 3, true}};
  Output request;
  request.counts = counts;
  request.sampling.presence_penalty = 1.0F;
  EXPECT_EQ(sample({0, 0.9F}, request), 0);
  EXPECT_EQ(sample({0, 1.1F}, request), 1);
  request.sampling.presence_penalty = 0.0F;
  request.sampling.frequency_penalty = 0.5F;
  EXPECT_EQ(sample({0, 1.4F}, request), 0);
  EXPECT_EQ(sample({0, 1.6F}, request), 1);
  request.sampling.presence_penalty = 1.0F;
  EXPECT_EQ(sample({0, 2.4F}, request), 0);
  EXPECT_EQ(sample({0, 2.6F}, request), 1);
}

// What a device may flush is 0 by definition, where penalties or biases touch it, and nowhere else.
TEST(Penalties, SettleWhatIsNearlyZero) {
  const std::vector<TokenCount> counts = {{1, 1, false}};
  Output request;
  EXPECT_EQ(sample({0, 0x1p-101F, 0}, request), 1);
  request.counts = counts;
  request.sampling.repeat_penalty = 0.5F;
  EXPECT_EQ(sample({0, 0x1p-101F, 0}, request), 0);
  EXPECT_EQ(sample({0, 0x1p-100F, 0}, request), 1);
  EXPECT_EQ(settled(-0x1p-101F), 0.0F);
  EXPECT_EQ(settled(-0x1p-100F), -0x1p-100F);
  EXPECT_TRUE(std::isnan(settled(kNan)));
}

TEST(Penalties, TheTokenInFlightCountsToo) {
  const std::vector<TokenCount> counts = {{1, 1, false}};
  Output request;
  request.sampling.frequency_penalty = 1.0F;
  EXPECT_EQ(sample({0.5F, 0}, request, 0), 1);  // nothing counted yet, token 0 in flight
  request.counts = counts;
  EXPECT_EQ(sample({0, 1.5F}, request), 1);
  EXPECT_EQ(sample({0, 1.5F}, request, 1), 0);  // the second time
}

TEST(Temperature, FollowsTheDistribution) {
  for (const float temperature : {0.3F, 1.0F, 3.0F}) {
    SCOPED_TRACE(temperature);
    expect_distribution(random_logits(1, 20, 1.5), {.temperature = temperature, .seed = 42});
  }
}

TEST(Temperature, ExtremesAreGreedyAndUniform) {
  const std::vector<float> logits = {0, 1, 1.0001F, -88};
  for (const float tiny : {1e-9F, std::numeric_limits<float>::denorm_min()})
    EXPECT_EQ(histogram(logits, with({.temperature = tiny}), 100)[2], 100);
  EXPECT_GT(histogram({2, 2, 1}, with({.temperature = 1e-9F}), 100)[1], 20);  // ties stay ties
  for (const float huge : {1e9F, std::numeric_limits<float>::max(), kInf})
    for (const int n : histogram(logits, with({.temperature = huge}), 4000)) EXPECT_NEAR(n, 1000, 6 * std::sqrt(750.0));
  EXPECT_EQ(sample(logits, with({.temperature = -1.0F})), 2);
  EXPECT_EQ(sample(logits, with({.temperature = kNan})), 2);
}

TEST(Temperature, NeverDrawsNanOrMinusInfinity) {
  const std::vector<int> count = histogram({kNan, 0, -kInf, 0, kNan}, with({.temperature = 1e9F}), 1000);
  EXPECT_EQ(count[1] + count[3], 1000);
  EXPECT_EQ(sample({0, kInf, 3}, with({.temperature = 1.0F})), 1);
}

TEST(TopK, KeepsTheLargestAndTheLowerIdsAmongTies) {
  const std::vector<float> logits = {1, 2, 2, 2, 0};
  const std::vector<int> count = histogram(logits, with({.temperature = 1.0F, .top_k = 2}), 1000);
  EXPECT_GT(count[1], 400);
  EXPECT_GT(count[2], 400);
  EXPECT_EQ(count[1] + count[2], 1000);
  EXPECT_EQ(histogram(logits, with({.temperature = 9.0F, .top_k = 1}), 50)[1], 50);
}

TEST(TopK, OverTheVocabularyIsNoLimit) {
  const std::vector<float> logits = random_logits(2, 9, 1.0);
  for (const int k : {9, 10, 1'000'000'000})
    EXPECT_EQ(histogram(logits, with({.temperature = 1.0F, .top_k = k}), 200),
              histogram(logits, with({.temperature = 1.0F}), 200));
}

TEST(TopP, ZeroKeepsOneToken) {
  EXPECT_EQ(histogram({1, 2, 2}, with({.temperature = 5.0F, .top_p = 0.0F}), 50)[1], 50);
}

TEST(TopP, KeepsTheFewestThatReachIt) {
  // Probabilities 0.5, 0.25, 0.125, 0.125 to the last bit.
  const auto log2 = [](float x) { return x * static_cast<float>(std::log(2.0)); };
  const std::vector<float> logits = {log2(-2), log2(-1), log2(-3), log2(-3)};
  const auto kept = [&](float top_p) {
    const auto count = histogram(logits, with({.temperature = 1.0F, .top_p = top_p}), 2000);
    return std::count_if(count.begin(), count.end(), [](int n) { return n > 0; });
  };
  EXPECT_EQ(kept(0.4F), 1);
  EXPECT_EQ(kept(0.51F), 2);
  EXPECT_EQ(kept(0.74F), 2);
  EXPECT_EQ(kept(0.76F), 3);
  EXPECT_EQ(kept(0.9F), 4);
}

TEST(MinP, IsRelativeToTheMostProbable) {
  const std::vector<float> logits = {0, -1, -2, -3};
  EXPECT_EQ(histogram(logits, with({.temperature = 1.0F, .min_p = 0.2F}), 2000)[2], 0);
  EXPECT_GT(histogram(logits, with({.temperature = 1.0F, .min_p = 0.1F}), 2000)[2], 0);
  EXPECT_EQ(histogram(logits, with({.temperature = 1.0F, .min_p = 1.0F}), 50)[0], 50);
}

TEST(Chain, FollowsTheAnalyticDistribution) {
  std::mt19937 random(5);
  for (int i = 0; i < 12; ++i) {
    SCOPED_TRACE(i);
    Sampling s{.temperature = 0.5F + static_cast<float>(random() % 100) / 50};
    s.top_k = i % 2 == 0 ? static_cast<int>(random() % 40) : 0;
    s.top_p = i % 3 == 0 ? 1.0F : static_cast<float>(random() % 100) / 100;
    s.min_p = i % 4 == 0 ? 0.0F : static_cast<float>(random() % 20) / 100;
    s.seed = random();
    expect_distribution(random_logits(static_cast<uint32_t>(random()), 40, 1.0), s);
  }
}

// The fast paths (partial selection, the floor below the nucleus, the radix sort) against the definition, on a row as
// large as a real vocabulary: each drawn token is one that the slow way keeps, and the draw itself is the same.
TEST(Chain, LargeVocabularyAgreesWithTheSlowWay) {
  constexpr size_t kVocab = 151'936;
  for (const double sigma : {0.01, 2.0, 6.0}) {
    std::vector<float> logits = random_logits(3, kVocab, sigma);
    for (size_t i = 0; i < kVocab; i += 3) logits[i] = std::round(logits[i] * 4) / 4;  // many ties
    for (const Sampling& s : {Sampling{.temperature = 0.7F, .top_k = 20, .top_p = 0.8F, .seed = 1},
                              Sampling{.temperature = 1.0F, .top_p = 0.95F, .seed = 2},
                              Sampling{.temperature = 1.5F, .top_k = 50'000, .min_p = 0.05F, .seed = 3},
                              Sampling{.temperature = 1.0F, .seed = 4}}) {
      SCOPED_TRACE(testing::Message() << "sigma " << sigma << " seed " << s.seed);
      const std::vector<uint64_t> w = kept_weights(logits, s);
      const uint64_t total = std::accumulate(w.begin(), w.end(), uint64_t{0});
      for (uint64_t counter = 0; counter < 5; ++counter) {
        const uint64_t target = mul_high(random_bits(s.seed, counter), total);
        uint64_t sum = 0;
        size_t want = 0;
        while ((sum += w[want]) <= target) ++want;
        EXPECT_EQ(sample(logits, with(s, counter)), static_cast<TokenId>(want)) << "counter " << counter;
      }
    }
  }
}

TEST(Logprobs, AreThoseOfTheRawLogits) {
  const std::vector<float> logits = {1, 3, kNan, 3, 2};
  const std::vector<TokenBias> bias = {{0, 100.0F}};
  Output request;
  request.bias = bias;
  request.n_logprob = 3;
  OutputResult out;
  sample_row(logits, request, -1, out);
  const double sum = std::log(std::exp(1) + 2 * std::exp(3) + std::exp(2));
  EXPECT_EQ(out.token, 0);
  EXPECT_NEAR(out.logprob, 1 - sum, 1e-6);
  ASSERT_EQ(out.top.size(), 3U);
  EXPECT_EQ(out.top[0].token, 1);
  EXPECT_EQ(out.top[1].token, 3);
  EXPECT_EQ(out.top[2].token, 4);
  EXPECT_NEAR(out.top[0].logprob, 3 - sum, 1e-6);
  EXPECT_NEAR(out.top[2].logprob, 2 - sum, 1e-6);
}

TEST(Logprobs, MoreThanTheVocabularyGivesAll) {
  Output request;
  request.n_logprob = 10;
  OutputResult out;
  sample_row(std::vector<float>{kNan, 0, -kInf}, request, -1, out);
  ASSERT_EQ(out.top.size(), 3U);
  EXPECT_EQ(out.top[0].token, 1);
  EXPECT_EQ(out.top[0].logprob, 0.0F);
  EXPECT_EQ(out.top[1].token, 0);
  EXPECT_EQ(out.top[1].logprob, -kInf);
}

TEST(Logprobs, InfinitiesShareTheWhole) {
  Output request;
  request.n_logprob = 2;
  OutputResult out;
  sample_row(std::vector<float>{kInf, 5, kInf}, request, -1, out);
  EXPECT_NEAR(out.top[0].logprob, std::log(0.5), 1e-6);
  EXPECT_NEAR(out.top[1].logprob, std::log(0.5), 1e-6);
  sample_row(std::vector<float>{kNan, -kInf}, request, -1, out);
  EXPECT_EQ(out.token, 0);
  EXPECT_EQ(out.logprob, -kInf);
}

TEST(SampleRow, GivesRawLogitsAndNothingThatWasNotAskedFor) {
  const std::vector<float> logits = {1, 2};
  Output request;
  request.sample = false;
  request.logits = true;
  OutputResult out;
  out.token = 77;
  out.top.push_back({1, 1});
  sample_row(logits, request, -1, out);
  EXPECT_EQ(out.token, -1);
  EXPECT_EQ(out.logits, logits);
  EXPECT_TRUE(out.top.empty());
}

}  // namespace
}  // namespace tercet::backend
