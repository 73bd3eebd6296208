#include "suites/repeat.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/cpu_info.h"
#include "contract/small_model.h"
#include "support/crowd.h"
#include "support/demo.h"
#include "support/stage_local.h"

namespace tercet::tests {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Repeat);

namespace {

constexpr uint32_t kSeed = 20260602;
constexpr int kCrowd = 9;
constexpr int kMaxLength = 400;

Crowd demo_crowd() { return {kCrowd, kMaxLength, demo_model()->config.n_vocab, kSeed}; }

// Prompts of unlike lengths, then decoding beside more of them: the batches are a function of the seed.
std::vector<std::vector<Part>> script() {
  std::vector<std::vector<Part>> all;
  const int prompts[] = {3, 8, 9, kSanitized ? 20 : 70, kSanitized ? 11 : 200, 2, kSanitized ? 10 : 64, 5, 17};
  for (int s = 0; s < kCrowd; ++s) all.push_back({{s, prompts[s]}});
  for (const int n : {1, 2, 8, 9, 1, 2, 8, 9, 9, 9}) {
    auto& parts = all.emplace_back();
    for (int s = 0; s < n; ++s) parts.push_back({s, 1});
  }
  all.push_back({{0, 1}, {1, 1}, {2, 30}, {3, 9}});
  return all;
}

std::vector<float> logits_of(const backend::StepResult& result) {
  std::vector<float> all;
  for (const auto& output : result.outputs) all.insert(all.end(), output.logits.begin(), output.logits.end());
  return all;
}

}  // namespace

TEST_P(Repeat, SameBitsRunAfterRun) {
  std::vector<std::vector<float>> first;
  for (int round = 0; round < (kSanitized ? 2 : 3); ++round) {
    Crowd crowd = demo_crowd();
    const auto backend =
        make_backend(*subject().factory, demo_model(), crowd.options(subject().precision, 1 + round, 256));
    size_t at = 0;
    for (const auto& parts : script()) {
      const auto logits = run_batch(*backend, crowd.take(parts));
      ASSERT_TRUE(logits) << logits.error().message;
      if (round == 0)
        first.push_back(*logits);
      else
        ASSERT_EQ(*logits, first[at]) << "seed " << kSeed << " round " << round << " step " << at;
      ++at;
    }
  }
}

// Decoding steps are traced, and run again without a trace (twice: a backend may run what it recorded), over the same
// places of the KV cache; so are prompts.
TEST_P(Repeat, ATraceChangesNoBit) {
  Crowd crowd = demo_crowd();
  const auto backend = make_backend(*subject().factory, demo_model(), crowd.options(subject().precision, 2, 256));
  for (const auto& parts : script()) {
    const backend::Batch& batch = crowd.take(parts);
    const auto before = run_batch(*backend, batch);
    trace::Recording recording;
    const auto traced = run_batch(*backend, batch, &recording);
    const auto after = run_batch(*backend, batch);
    const auto replayed = run_batch(*backend, batch);
    ASSERT_TRUE(before && traced && after && replayed);
    ASSERT_EQ(*traced, *before) << batch.rows.size() << " rows";
    ASSERT_EQ(*after, *before) << batch.rows.size() << " rows";
    ASSERT_EQ(*replayed, *before) << batch.rows.size() << " rows";
    ASSERT_EQ(recording.at(backend::Tap::kResultOutput, -1).f32, *before) << batch.rows.size() << " rows";
  }
}

// A step whose stages are timed stands among others of its shape, which a backend may have recorded.
TEST_P(Repeat, AClockChangesNoBit) {
  Crowd crowd = demo_crowd();
  const auto backend = make_backend(*subject().factory, demo_model(), crowd.options(subject().precision, 2, 256));
  for (const auto& parts : script()) {
    const backend::Batch& batch = crowd.take(parts);
    const auto before = run_batch(*backend, batch);
    backend::StepResult seen;
    const auto times = backend->time_step(batch, seen);
    if (!times && times.error().code == Code::kUnsupported) GTEST_SKIP() << times.error().message;
    ASSERT_TRUE(times) << times.error().message;
    const auto after = run_batch(*backend, batch);
    const auto replayed = run_batch(*backend, batch);
    ASSERT_TRUE(before && after && replayed);
    ASSERT_EQ(logits_of(seen), *before) << batch.rows.size() << " rows";
    ASSERT_EQ(*after, *before) << batch.rows.size() << " rows";
    ASSERT_EQ(*replayed, *before) << batch.rows.size() << " rows";
    double sum = 0;
    for (const double seconds : *times) {
      EXPECT_GE(seconds, 0) << batch.rows.size() << " rows";
      sum += seconds;
    }
    EXPECT_GT(sum, 0) << batch.rows.size() << " rows";
    EXPECT_LT(sum, 60) << batch.rows.size() << " rows";
  }
}

// However a prompt is cut, each step is stage-locally right on what came before.
TEST_P(Repeat, AnySplitIsStageLocallyRight) {
  Crowd crowd = demo_crowd();
  StageLocal gate(subject(), demo_model(), crowd.options(subject().precision, n_usable_cpu(), 256));
  std::mt19937 random(kSeed);
  const int length = kSanitized ? 20 : 200;
  for (int s = 0; s < 4; ++s) {
    const int longest = s % 2 == 0 ? 9 : 90;
    while (crowd.length(s) < length) {
      const int n = std::min(1 + static_cast<int>(random() % static_cast<uint32_t>(longest)), length - crowd.length(s));
      const Part more[] = {{s, n}};
      const std::string what = fmt::format("seed {} sequence {}: {} rows behind {}", kSeed, s, n, crowd.length(s));
      ASSERT_TRUE(gate.run(crowd.take(more), what, 0));
    }
  }
  std::cout << "worst " << gate.worst() << " at " << gate.worst_where() << "\n";
}

// A shared page is copied before one of its owners writes to it; the other's is not changed.
TEST_P(Repeat, PageCopies) {
  const int n_page = 5;
  const auto ids = long_prompt(80);
  backend::Options options = options_for(n_page * 64 - 1, subject().precision);
  options.max_row = n_page * 64;
  const auto backend = make_backend(*subject().factory, demo_model(), options);
  ASSERT_EQ(options.n_page, n_page);
  const auto one_row = [&](TokenId token, std::vector<backend::PageId> pages, std::vector<backend::PageCopy> copies) {
    const backend::Row row{token, 79, 0};
    const backend::Sequence sequence{0, 80, pages};
    backend::Output output;
    output.sample = false;
    output.logits = true;
    const auto logits = run_batch(*backend, {{&row, 1}, {&sequence, 1}, copies, {&output, 1}});
    EXPECT_TRUE(logits) << logits.error().message;
    return logits.value_or(std::vector<float>{});
  };
  // All pages hold something else first, then 0 and 1 the prompt.
  ASSERT_TRUE(!run_prompt(*backend, long_prompt(n_page * 64)).empty());
  run_prompt(*backend, ids);
  const auto wanted = one_row(ids[79], {0, 1}, {});
  EXPECT_EQ(one_row(ids[79], {2, 1}, {{0, 2}}), wanted);
  EXPECT_EQ(one_row(ids[79], {2, 3}, {{1, 3}}), wanted);
  EXPECT_EQ(one_row(ids[79], {4, 3}, {{1, 3}, {0, 4}}), wanted);
  EXPECT_NE(one_row(ids[78] + 1, {4, 3}, {}), wanted) << "another token";
  EXPECT_EQ(one_row(ids[79], {0, 1}, {}), wanted) << "the pages that were copied from";
  EXPECT_NE(one_row(ids[79], {1, 0}, {}), wanted) << "pages the other way round";
}

// A sequence that has gone to NaN is no one else's concern: not in a step, not in the pages that it leaves behind.
TEST_P(Repeat, NanStaysInItsOwnSequence) {
  contract::SmallModel spec;
  spec.name = "nan";
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  for (const int n_decode : {1, 2, 8, 9}) {
    std::vector<std::vector<float>> seen;
    for (const TokenId other : {7, contract::poison_token(spec)}) {
      // Row 0, and rows 2.., are of sequences that are well; row 1, if there is one, and a chunk are not.
      Crowd crowd(12, 200, spec.n_vocab - 1, kSeed);
      const auto backend = make_backend(*subject().factory, *model, crowd.options(subject().precision, 2, 256));
      for (int s = 0; s < n_decode; ++s) {
        const Part prompt[] = {{s, 40 + s}};
        ASSERT_TRUE(run_batch(*backend, crowd.take(prompt)));
      }
      std::vector<Part> parts;
      for (int s = 0; s < n_decode; ++s) parts.push_back({s, 1});
      parts.push_back({11, 20});
      const backend::Batch& batch = crowd.take(parts);
      std::vector<backend::Row> rows(batch.rows.begin(), batch.rows.end());
      for (backend::Row& row : rows)
        if (row.sequence == 1 || row.sequence == n_decode) row.token = other;
      const auto logits = run_batch(*backend, {rows, batch.sequences, {}, batch.outputs});
      ASSERT_TRUE(logits) << logits.error().message;
      auto& well = seen.emplace_back();
      const auto n_vocab = static_cast<size_t>(spec.n_vocab);
      for (size_t r = 0; r < static_cast<size_t>(n_decode); ++r)
        if (r != 1)
          well.insert(well.end(), logits->begin() + static_cast<std::ptrdiff_t>(r * n_vocab),
                      logits->begin() + static_cast<std::ptrdiff_t>((r + 1) * n_vocab));
      const bool is_nan = std::isnan(logits->back());
      EXPECT_EQ(is_nan, other == contract::poison_token(spec)) << "the chunk's last row";
    }
    EXPECT_TRUE(std::all_of(seen[1].begin(), seen[1].end(), [](float x) { return std::isfinite(x); }))
        << n_decode << " decoding";
    // Elsewhere a row's bits may depend on its company, of which the experts that it chooses are a part.
    if (subject().precision == backend::Precision::kExact || subject().check_device == nullptr) {
      EXPECT_EQ(seen[0], seen[1]) << "seed " << kSeed << ", " << n_decode << " decoding";
    }
  }
}

}  // namespace tercet::tests
