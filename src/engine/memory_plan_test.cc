#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace tercet::engine {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

// Qwen3-Coder-30B-A3B Q4_K_M: 48 layers, 4 KV heads of 128, f16.
MemoryNeed coder() {
  return {.model = "coder.gguf",
          .weight_bytes = 18'000'000'000,
          .kv_bytes_per_token = 2 * 48 * 4 * 128 * 2,
          .n_ctx_train = 262'144,
          .ctx = std::nullopt};
}

TEST(PlanMemory, TakesTheMostThatFits) {
  const auto plan = plan_memory(coder(), 24 * kGiB);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->is_cut);
  EXPECT_EQ(plan->n_ctx % 64, 0);
  EXPECT_EQ(plan->n_page, plan->n_ctx / 64);
  EXPECT_LE(plan->total_bytes(), 24 * kGiB);
  EXPECT_GT(plan->total_bytes() + 64 * coder().kv_bytes_per_token, 24 * kGiB);
}

TEST(PlanMemory, GoesNoFurtherThanTheTrainedLength) {
  MemoryNeed need = coder();
  need.n_ctx_train = 2000;
  const auto plan = plan_memory(need, 64 * kGiB);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_ctx, 2000);
  EXPECT_EQ(plan->n_page, 32);
  EXPECT_EQ(plan->kv_bytes, 2048 * need.kv_bytes_per_token);
  EXPECT_FALSE(plan->is_cut);
}

TEST(PlanMemory, ZeroIsTheTrainedLengthOrAnErrorWithWhatWouldFit) {
  MemoryNeed need = coder();
  need.ctx = 0;
  EXPECT_EQ(plan_memory(need, 80 * kGiB)->n_ctx, 262'144);
  const auto plan = plan_memory(need, 24 * kGiB);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
  EXPECT_EQ(plan.error().message,
            "coder.gguf: does not fit: 16.8 GiB weights + 24.0 GiB KV cache (262144 tokens) + 737.3 MiB reserve = "
            "41.5 GiB of 24.0 GiB free, want 17.5 GiB more");
  int fitting = 0;
  ASSERT_EQ(std::sscanf(plan.error().hint.c_str(), "--ctx %d would fit", &fitting), 1) << plan.error().hint;
  need.ctx = fitting;
  EXPECT_TRUE(plan_memory(need, 24 * kGiB));
  need.ctx = fitting + 1;
  EXPECT_FALSE(plan_memory(need, 24 * kGiB));
}

TEST(PlanMemory, WeightsThatDoNotFitHaveNoContextToHint) {
  const auto plan = plan_memory(coder(), 16 * kGiB);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
  EXPECT_NE(plan.error().message.find("256 tokens"), std::string::npos) << plan.error().message;
  EXPECT_EQ(plan.error().hint.find("--ctx"), std::string::npos);
}

TEST(PlanMemory, ASmallContextIsTakenIfItIsAskedFor) {
  MemoryNeed need = coder();
  need.ctx = 64;
  const int64_t free_bytes = 19 * kGiB;
  need.weight_bytes = free_bytes - reserve_of(free_bytes) - 64 * need.kv_bytes_per_token;
  EXPECT_TRUE(plan_memory(need, free_bytes));
  need.ctx.reset();
  EXPECT_FALSE(plan_memory(need, free_bytes));
}

TEST(PlanMemory, RefusesAContextBeyondTheTrainedLength) {
  for (const int ctx : {-1, 262'145}) {
    MemoryNeed need = coder();
    need.ctx = ctx;
    const auto plan = plan_memory(need, 64 * kGiB);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, Code::kInvalidArgument);
  }
}

TEST(PlanMemory, SeveralSequencesEachGetTheirPages) {
  MemoryNeed need = coder();
  need.ctx = 100;
  need.n_sequence = 4;
  const auto plan = plan_memory(need, 64 * kGiB);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_page, 8);
  EXPECT_EQ(plan->kv_bytes, 4 * 128 * need.kv_bytes_per_token);
}

TEST(PlanMemory, AbsurdNumbersDoNotWrapAround) {
  MemoryNeed need = coder();
  need.n_ctx_train = std::numeric_limits<int>::max();
  need.kv_bytes_per_token = std::numeric_limits<int64_t>::max() / 2;
  EXPECT_FALSE(plan_memory(need, 64 * kGiB));
  need = coder();
  need.weight_bytes = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(plan_memory(need, 64 * kGiB));
}

TEST(PlanMemory, ADemoFitsInLittleMemory) {
  const MemoryNeed need = {
      .model = "demo", .weight_bytes = 36 * kMiB, .kv_bytes_per_token = 8192, .n_ctx_train = 2048, .ctx = std::nullopt};
  EXPECT_EQ(plan_memory(need, 100 * kMiB)->n_ctx, 2048);
}

TEST(PlanMemory, ThePlanAlwaysFits) {
  constexpr uint32_t kSeed = 3;
  std::mt19937 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    MemoryNeed need = {.model = "m",
                       .weight_bytes = static_cast<int64_t>(random() % 4096) * kMiB,
                       .kv_bytes_per_token = 1 + static_cast<int64_t>(random() % 100'000),
                       .n_ctx_train = 1 + static_cast<int>(random() % 100'000),
                       .ctx = std::nullopt,
                       .page_size = 1 + static_cast<int>(random() % 256),
                       .n_sequence = 1 + static_cast<int>(random() % 8)};
    if (random() % 2 == 0) need.ctx = static_cast<int>(random() % static_cast<uint32_t>(need.n_ctx_train));
    const int64_t free_bytes = static_cast<int64_t>(random() % 8192) * kMiB;
    const auto plan = plan_memory(need, free_bytes);
    if (!plan) continue;
    ASSERT_LE(plan->total_bytes(), free_bytes) << "seed " << kSeed << " case " << i;
    ASSERT_GE(int64_t{plan->n_page} * need.page_size, int64_t{plan->n_ctx} * need.n_sequence);
    ASSERT_GE(plan->n_ctx, 1);
  }
}

}  // namespace
}  // namespace tercet::engine
