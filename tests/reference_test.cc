// src/ref against Hugging Face: the judge is itself judged.
#include <gtest/gtest.h>

#include "ref/ref.h"
#include "support/demo.h"
#include "trace/measure.h"

namespace tercet::tests {
namespace {

// An independent float64 program measured 4e-6 and less against the same logits; the rest is their own f32.
constexpr double kBound = 1e-5;

TEST(Reference, LogitsOfHuggingFaceAtEveryPosition) {
  const auto model = demo_model();
  const auto n_vocab = static_cast<size_t>(model->config.n_vocab);
  double worst = 0;
  for (const GoldenCase& golden : golden_cases()) {
    ASSERT_EQ(golden.logits.size(), golden.ids.size() * n_vocab) << golden.name;
    const auto backend = make_backend(ref::kFactory, model, options_for(64, backend::Precision::kExact));
    const auto logits = run_prompt(*backend, golden.ids);
    for (size_t p = 0; p < golden.ids.size(); ++p) {
      const auto seen = std::span(logits).subspan(p * n_vocab, n_vocab);
      const auto agreement = trace::measure(seen, std::span(golden.logits).subspan(p * n_vocab, n_vocab));
      ASSERT_TRUE(agreement) << agreement.error().message;
      EXPECT_LE(agreement->relative_l2, kBound) << golden.name << " position " << p;
      worst = std::max(worst, agreement->relative_l2);
    }
  }
  RecordProperty("worst_relative_l2", std::to_string(worst));
  std::cout << "worst relative L2 against Hugging Face: " << worst << "\n";
}

TEST(Reference, GreedyTokensOfHuggingFace) {
  const auto model = demo_model();
  for (const GoldenCase& golden : golden_cases()) {
    const auto backend = make_backend(ref::kFactory, model, options_for(128, backend::Precision::kExact));
    EXPECT_EQ(run_greedy(*backend, golden.ids, static_cast<int>(golden.greedy_ids.size())), golden.greedy_ids)
        << golden.name;
  }
}

}  // namespace
}  // namespace tercet::tests
