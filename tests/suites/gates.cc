// The three gates of docs/stages.md#gates, for each precision of a backend, and the bound of the exact mode on every tap.
#include "suites/gates.h"

#include <gtest/gtest.h>

#include "ref/ref.h"
#include "support/demo.h"
#include "trace/replay.h"

namespace tercet::tests {

using backend::Precision;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Gates);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GatesOnNoise);

constexpr Precision kAll[] = {Precision::kExact, Precision::kHigh, Precision::kFast};

TEST_P(Gates, ALongTextOnTheDemo) {
  // ref needs longer for each token than for the one before; a GPU's kernels for long contexts are worth the time.
  const bool is_host = subject().check_device == nullptr;
  const auto ids = long_prompt(kSanitized ? 100 : is_host ? 1000 : 2000);
  for (const GateFigures& figures : measure_gates(factory(), demo_model(), ids, kAll)) {
    const GateBounds& wanted = bounds(figures.precision);
    expect_stage_local(figures, wanted);
    expect_routing_forced(figures, wanted);
    expect_free_running(figures, wanted);
    std::cout << describe(figures) << "\n";
  }
}

TEST_P(Gates, TheGoldenCasesOnTheDemo) {
  for (const GoldenCase& golden : golden_cases()) {
    SCOPED_TRACE(golden.name);
    for (const GateFigures& figures : measure_gates(factory(), demo_model(), golden.ids, kAll)) {
      expect_stage_local(figures, bounds(figures.precision));
      expect_routing_forced(figures, bounds(figures.precision));
    }
    if (kSanitized) break;
  }
}

TEST_P(Gates, ExactEveryTapAndPositionOfTheGoldenCases) {
  const double bound = bounds(Precision::kExact).stage_local;
  for (const GoldenCase& golden : golden_cases()) {
    const int n = static_cast<int>(golden.ids.size());
    trace::Recording wanted;
    trace::Recording seen;
    const auto judge = make_backend(ref::kFactory, demo_model(), options_for(n, Precision::kExact));
    const auto backend = make_backend(factory(), demo_model(), options_for(n, Precision::kExact));
    run_prompt(*judge, golden.ids, {}, &wanted);
    run_prompt(*backend, golden.ids, {}, &seen);
    for (const auto& [key, rows] : wanted.taps()) {
      const trace::TapRows& ours = seen.at(key.first, key.second);
      const std::string where =
          golden.name + " " + std::string(backend::tap_info(key.first).name) + "-" + std::to_string(key.second);
      EXPECT_EQ(ours.ids, rows.ids) << where;
      ASSERT_EQ(ours.f32.size(), rows.f32.size()) << where;
      const auto width = static_cast<size_t>(rows.width);
      for (size_t at = 0; at < rows.f32.size(); at += width) {
        const auto agreement =
            trace::measure(std::span(ours.f32).subspan(at, width), std::span(rows.f32).subspan(at, width));
        ASSERT_TRUE(agreement) << where << ": " << agreement.error().message;
        EXPECT_LE(agreement->relative_l2, bound) << where << " position " << at / width;
      }
    }
  }
}

TEST_P(Gates, ExactFollowsTheGreedyTextsOfHuggingFace) {
  for (const GoldenCase& golden : golden_cases()) {
    const auto backend = make_backend(factory(), demo_model(), options_for(128, Precision::kExact));
    EXPECT_EQ(run_greedy(*backend, golden.ids, static_cast<int>(golden.greedy_ids.size())), golden.greedy_ids)
        << golden.name;
  }
}

// The founding gate, the weakest of all: the last position of three tokens.
TEST_P(Gates, CosineOfThreeTokens) {
  const TokenId ids[] = {785, 921, 308};
  const auto judge = make_backend(ref::kFactory, demo_model(), options_for(3, Precision::kExact));
  const auto wanted = run_prompt(*judge, ids);
  for (const Precision precision : kAll) {
    const auto backend = make_backend(factory(), demo_model(), options_for(3, precision));
    const auto seen = run_prompt(*backend, ids);
    const auto n_vocab = wanted.size() / 3;
    const auto agreement = trace::measure(std::span(seen).subspan(2 * n_vocab), std::span(wanted).subspan(2 * n_vocab));
    ASSERT_TRUE(agreement) << agreement.error().message;
    EXPECT_GE(agreement->cosine, 0.99) << backend::precision_name(precision);
  }
}

TEST_P(GatesOnNoise, EveryPosition) {
  const auto model = synthetic_model(GetParam().size);
  if (!model && model.error().code == Code::kOutOfMemory) GTEST_SKIP() << model.error().message;
  ASSERT_TRUE(model) << model.error().message;
  const auto ids = random_prompt(**model, GetParam().n_token);
  for (const GateFigures& figures : measure_gates(*subject().factory, *model, ids, kAll, GetParam().n_row)) {
    const GateBounds& wanted = bounds_of({subject().factory, figures.precision, subject().check_device});
    expect_stage_local(figures, wanted);
    expect_routing_forced(figures, wanted);
    expect_free_running_on_noise(figures, wanted);
    std::cout << describe(figures) << "\n";
  }
}

}  // namespace tercet::tests
