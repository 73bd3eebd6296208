// A prompt's beginning that comes from the prefix cache, pages shared and copied, is as good as one that was computed.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "engine/engine.h"
#include "suites/serving.h"
#include "support/demo.h"

namespace tercet::tests {
namespace {

constexpr int kTop = 200;

struct Turn {
  std::vector<TokenId> tokens;
  std::vector<std::vector<backend::TokenLogprob>> top;  // of each token
  int n_cached = 0;
};

Turn ask(engine::Engine& engine, const std::vector<TokenId>& prompt, int n_output, bool uses_cache) {
  engine::Request request;
  request.prompt = prompt;
  request.max_output = n_output;
  request.ignore_eos = true;
  request.n_logprob = kTop;
  request.uses_cache = uses_cache;
  Turn turn;
  EXPECT_TRUE(engine.add(request, {.on_token =
                                       [&](const engine::TokenEvent& event) {
                                         turn.tokens.push_back(event.token);
                                         turn.top.emplace_back(event.top.begin(), event.top.end());
                                       },
                                   .on_finish =
                                       [&](const engine::Finished& finished) {
                                         EXPECT_EQ(finished.reason, engine::FinishReason::kLength);
                                         turn.n_cached = finished.timings.n_cached;
                                       }}));
  EXPECT_TRUE(engine.run_until_idle());
  return turn;
}

bool is_same(const std::vector<backend::TokenLogprob>& a, const std::vector<backend::TokenLogprob>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.token == y.token && x.logprob == y.logprob; });
}

// Half the sum of the differences of the probabilities, over what both report.
double variation(const std::vector<backend::TokenLogprob>& a, const std::vector<backend::TokenLogprob>& b) {
  std::map<TokenId, double> of_a;
  for (const auto& one : a) of_a[one.token] = std::exp(double{one.logprob});
  double sum = 0;
  for (const auto& one : b)
    if (const auto it = of_a.find(one.token); it != of_a.end())
      sum += std::abs(std::exp(double{one.logprob}) - it->second);
  return sum / 2;
}

}  // namespace

TEST_P(Serving, ABeginningFromTheCacheIsAsGoodAsOneThatWasComputed) {
  backend::Options options;
  options.precision = subject().precision;
  options.n_thread = 2;
  options.max_row = 96;
  options.max_sequence = 2;
  options.n_page = 10;
  const auto backend = make_backend(*subject().factory, demo_model(), options);
  engine::Engine engine(*backend, nullptr,
                        {.n_vocab = demo_model()->config.n_vocab, .n_ctx = 320, .prefix_cache = true});
  const auto text = long_prompt(400);
  // Turns that end before, at and behind the end of a page, and some that go another way where others went on.
  struct Case {
    int n_begin, n_other, n_cached;  // tokens of the text, tokens of another one behind them, those that must be there
  };
  const std::vector<Case> cases = {{5, 0, 0},    {63, 0, 5},    {64, 0, 63},   {65, 0, 64},
                                   {128, 3, 65}, {128, 0, 127}, {140, 0, 128}, {140, 9, 139},
                                   {70, 30, 70}, {191, 0, 140}, {280, 1, 191}, {280, 7, 280}};
  double sum = 0;
  int n_token = 0;
  for (const Case& one : cases) {
    SCOPED_TRACE(testing::Message() << one.n_begin << " and " << one.n_other << " tokens");
    std::vector<TokenId> prompt(text.begin(), text.begin() + one.n_begin);
    for (int i = 0; i < one.n_other; ++i) prompt.push_back(text[static_cast<size_t>(399 - i)]);
    const Turn with = ask(engine, prompt, 1, true);
    const Turn without = ask(engine, prompt, 1, false);
    EXPECT_EQ(without.n_cached, 0);
    EXPECT_GE(with.n_cached, one.n_cached);
    EXPECT_LT(with.n_cached, one.n_begin + one.n_other);
    ASSERT_EQ(with.top.size(), 1U);
    ASSERT_EQ(without.top.size(), 1U);
    if (GetParam().alone_is_the_same) {
      EXPECT_TRUE(is_same(with.top[0], without.top[0]));
      EXPECT_EQ(with.tokens, without.tokens);
    }
    sum += variation(with.top[0], without.top[0]);
    ++n_token;
  }
  // Each of the two is within a mean divergence of 1e-3 of ref (gate (c)), so that its mean variation is sqrt(1e-3 / 2)
  // at most, by Pinsker's and Jensen's inequalities.
  EXPECT_LE(sum / n_token, 2 * std::sqrt(1e-3 / 2));
  const engine::EngineStats stats = engine.stats();
  EXPECT_EQ(stats.n_page_free + stats.n_page_cached, 10);
  std::cout << "mean variation " << sum / n_token << ", " << stats.n_page_evicted << " pages let go\n";
}

}  // namespace tercet::tests
