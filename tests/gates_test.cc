// The three gates of docs/stages.md#gates, for each precision of the CPU backend, and the bound of the exact mode on
// every tap. heavy_gates_test.cc has them on larger models of noise.
#include "support/gates.h"

#include <gtest/gtest.h>

#include "cpu/cpu.h"
#include "ref/ref.h"
#include "support/demo.h"
#include "trace/replay.h"

namespace tercet::tests {
namespace {

using backend::Precision;

constexpr Precision kAll[] = {Precision::kExact, Precision::kHigh, Precision::kFast};

TEST(Gates, ALongTextOnTheDemo) {
  const auto ids = long_prompt(kSanitized ? 150 : 2000);
  for (const GateFigures& figures : measure_gates(cpu::kFactory, demo_model(), ids, kAll)) {
    expect_stage_local(figures);
    expect_routing_forced(figures);
    expect_free_running(figures);
    std::cout << figures << "\n";
  }
}

TEST(Gates, TheGoldenCasesOnTheDemo) {
  for (const GoldenCase& golden : golden_cases()) {
    SCOPED_TRACE(golden.name);
    for (const GateFigures& figures : measure_gates(cpu::kFactory, demo_model(), golden.ids, kAll)) {
      expect_stage_local(figures);
      expect_routing_forced(figures);
    }
    if (kSanitized) break;
  }
}

TEST(Gates, AFewTokensOnNoise) {
  const auto model = synthetic_model(model::SyntheticSize::kTiny);
  ASSERT_TRUE(model) << model.error().message;
  const auto ids = random_prompt(**model, kSanitized ? 3 : 33);
  for (const GateFigures& figures : measure_gates(cpu::kFactory, *model, ids, kAll, 8)) {
    expect_stage_local(figures);
    expect_routing_forced(figures);
    expect_free_running_on_noise(figures);
    std::cout << figures << "\n";
  }
}

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
  for (const Precision precision : kAll) {
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
