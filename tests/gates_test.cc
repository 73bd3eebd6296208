// The three gates of docs/stages.md#gates, for each precision of the CPU backend: (a) stage-local, (b) routing-forced,
// (c) free-running; and the bound of the exact mode on every tap.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cpu/cpu.h"
#include "ref/ref.h"
#include "support/demo.h"
#include "trace/replay.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using backend::Tap;

// What a precision promises; docs/stages.md#modes derives the figures.
struct Bounds {
  Precision precision;
  double stage_local;    // relative L2 of one stage's output on its own recorded input
  double routed_cosine;  // at every position, with the backend's experts forced on ref
  double flip_margin;    // by how much a chosen expert may trail one left out, relative to the largest router logit
  double mean_kl;        // free-running, nats
  double kl_99;          // its 99th percentile
  double top1;           // share of positions with ref's most probable token
  double perplexity;     // |ratio to ref's - 1|
};

constexpr Bounds kExact = {Precision::kExact, 1e-4, 0.9999999, 1e-4, 1e-7, 1e-6, 0.999, 1e-4};
constexpr Bounds kHigh = {Precision::kHigh, 2e-3, 0.9995, 2e-3, 1e-3, 1e-2, 0.98, 2e-3};
constexpr Bounds kFast = {Precision::kFast, 3e-2, 0.99, 5e-2, 3e-2, 3e-1, 0.90, 2e-2};

int n_long() { return kSanitized ? 150 : 2000; }

class Gates : public testing::TestWithParam<Bounds> {
 protected:
  std::unique_ptr<backend::Backend> cpu(int n) const {
    return make_backend(cpu::kFactory, demo_model(), options_for(n, GetParam().precision));
  }
  static std::unique_ptr<backend::Backend> ref(int n) {
    return make_backend(ref::kFactory, demo_model(), options_for(n, Precision::kExact));
  }
};

TEST_P(Gates, StageLocal) {
  for (const GoldenCase& golden : golden_cases()) {
    const int n = static_cast<int>(golden.ids.size());
    trace::Recording recording;
    run_prompt(*cpu(n), golden.ids, {}, &recording);
    trace::Replay replay(recording, *demo_model(), trace::Gate::kStageLocal);
    run_prompt(*ref(n), golden.ids, {}, &replay);
    for (const auto& [key, verdict] : replay.verdicts()) {
      EXPECT_FALSE(verdict.failed);
      EXPECT_LE(verdict.worst.relative_l2, GetParam().stage_local)
          << golden.name << " " << backend::tap_info(key.first).name << "-" << key.second;
    }
    EXPECT_LE(replay.worst_flip_margin(), GetParam().flip_margin);
  }
}

TEST_P(Gates, RoutingForced) {
  const auto ids = long_prompt(n_long());
  trace::Recording recording;
  run_prompt(*cpu(n_long()), ids, {}, &recording);
  trace::Replay replay(recording, *demo_model(), trace::Gate::kRoutingForced);
  run_prompt(*ref(n_long()), ids, {}, &replay);
  const auto& logits = replay.verdicts().at({Tap::kResultOutput, -1});
  EXPECT_FALSE(logits.failed);
  EXPECT_GE(logits.worst_cosine, GetParam().routed_cosine);
  EXPECT_LE(replay.worst_flip_margin(), GetParam().flip_margin);
  std::cout << "worst cosine 1 - " << 1 - logits.worst_cosine << ", " << replay.n_flip() << " flips in "
            << replay.n_choice() << " choices, worst margin " << replay.worst_flip_margin() << "\n";
}

TEST_P(Gates, FreeRunning) {
  const auto ids = long_prompt(n_long());
  const auto wanted = run_prompt(*ref(n_long()), ids);
  const auto seen = run_prompt(*cpu(n_long()), ids);
  const auto n_vocab = wanted.size() / ids.size();
  std::vector<double> kl;
  int same_top = 0;
  double wanted_nll = 0;
  double seen_nll = 0;
  const auto nll = [](std::span<const float> logits, TokenId next) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(x - largest);
    return largest + std::log(sum) - logits[static_cast<size_t>(next)];
  };
  for (size_t p = 0; p < ids.size(); ++p) {
    const auto a = std::span(wanted).subspan(p * n_vocab, n_vocab);
    const auto b = std::span(seen).subspan(p * n_vocab, n_vocab);
    kl.push_back(trace::kl_divergence(a, b));
    same_top += trace::argmax(a) == trace::argmax(b) ? 1 : 0;
    if (p + 1 == ids.size()) continue;
    wanted_nll += nll(a, ids[p + 1]);
    seen_nll += nll(b, ids[p + 1]);
  }
  const auto n = static_cast<double>(ids.size());
  const double mean = std::accumulate(kl.begin(), kl.end(), 0.0) / n;
  std::sort(kl.begin(), kl.end());
  const double kl_99 = kl[static_cast<size_t>(0.99 * n)];
  const double ratio = std::exp((seen_nll - wanted_nll) / (n - 1));
  EXPECT_LE(mean, GetParam().mean_kl);
  EXPECT_LE(kl_99, GetParam().kl_99);
  EXPECT_GE(same_top / n, GetParam().top1);
  EXPECT_LE(std::abs(ratio - 1), GetParam().perplexity);
  std::cout << "mean KL " << mean << ", 99 % " << kl_99 << ", top-1 " << same_top / n << ", perplexity of ref "
            << std::exp(wanted_nll / (n - 1)) << ", ratio 1 + " << ratio - 1 << "\n";
}

INSTANTIATE_TEST_SUITE_P(Cpu, Gates, testing::Values(kExact, kHigh, kFast), [](const auto& bounds) {
  return std::string(backend::precision_name(bounds.param.precision));
});

TEST(Exact, EveryTapAndPositionOfTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases()) {
    const int n = static_cast<int>(golden.ids.size());
    trace::Recording wanted;
    trace::Recording seen;
    const auto judge = make_backend(ref::kFactory, demo_model(), options_for(n, Precision::kExact));
    const auto subject = make_backend(cpu::kFactory, demo_model(), options_for(n, Precision::kExact));
    run_prompt(*judge, golden.ids, {}, &wanted);
    run_prompt(*subject, golden.ids, {}, &seen);
    for (const auto& [key, rows] : wanted.taps()) {
      const trace::TapRows& ours = seen.at(key.first, key.second);
      const std::string where =
          golden.name + " " + std::string(backend::tap_info(key.first).name) + "-" + std::to_string(key.second);
      EXPECT_EQ(ours.ids, rows.ids) << where;
      const auto width = static_cast<size_t>(rows.width);
      for (size_t at = 0; at < rows.f32.size(); at += width) {
        const auto agreement =
            trace::measure(std::span(ours.f32).subspan(at, width), std::span(rows.f32).subspan(at, width));
        ASSERT_TRUE(agreement) << where << ": " << agreement.error().message;
        EXPECT_LE(agreement->relative_l2, 1e-4) << where << " position " << at / width;
      }
    }
  }
}

TEST(Exact, GreedyTextsOfHuggingFaceAreFollowed) {
  for (const GoldenCase& golden : golden_cases()) {
    const auto backend = make_backend(cpu::kFactory, demo_model(), options_for(128, Precision::kExact));
    EXPECT_EQ(run_greedy(*backend, golden.ids, static_cast<int>(golden.greedy_ids.size())), golden.greedy_ids)
        << golden.name;
  }
}

// The founding gate, the weakest of all: the last position of three tokens.
TEST(Founding, CosineOfThreeTokens) {
  const TokenId ids[] = {785, 921, 308};
  const auto judge = make_backend(ref::kFactory, demo_model(), options_for(3, Precision::kExact));
  const auto wanted = run_prompt(*judge, ids);
  for (const Precision precision : {Precision::kExact, Precision::kHigh, Precision::kFast}) {
    const auto subject = make_backend(cpu::kFactory, demo_model(), options_for(3, precision));
    const auto seen = run_prompt(*subject, ids);
    const auto n_vocab = wanted.size() / 3;
    const auto agreement = trace::measure(std::span(seen).subspan(2 * n_vocab), std::span(wanted).subspan(2 * n_vocab));
    ASSERT_TRUE(agreement) << agreement.error().message;
    EXPECT_GE(agreement->cosine, 0.99) << backend::precision_name(precision);
  }
}

}  // namespace
}  // namespace tercet::tests
