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
          .footprint = {.weight_bytes = 18'000'000'000,
                        .kv_bytes_per_token = 2 * 48 * 4 * 128 * 2,
                        .workspace_bytes = 100 * kMiB},
          .n_ctx_train = 262'144,
          .ctx = std::nullopt};
}

TEST(PlanMemory, TakesTheMostThatFits) {
  const auto plan = plan_memory(coder(), host_room(24 * kGiB));
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->is_cut);
  EXPECT_EQ(plan->n_ctx % 64, 0);
  EXPECT_EQ(plan->n_page, plan->n_ctx / 64);
  EXPECT_LE(plan->total_bytes(), 24 * kGiB);
  EXPECT_GT(plan->total_bytes() + 64 * coder().footprint.kv_bytes_per_token, 24 * kGiB);
}

TEST(PlanMemory, GoesNoFurtherThanTheTrainedLength) {
  MemoryNeed need = coder();
  need.n_ctx_train = 2000;
  const auto plan = plan_memory(need, host_room(64 * kGiB));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_ctx, 2000);
  EXPECT_EQ(plan->n_page, 32);
  EXPECT_EQ(plan->kv_bytes, 2048 * need.footprint.kv_bytes_per_token);
  EXPECT_FALSE(plan->is_cut);
}

TEST(PlanMemory, ZeroIsTheTrainedLengthOrAnErrorWithWhatWouldFit) {
  MemoryNeed need = coder();
  need.ctx = 0;
  EXPECT_EQ(plan_memory(need, host_room(80 * kGiB))->n_ctx, 262'144);
  const auto plan = plan_memory(need, host_room(24 * kGiB));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
  EXPECT_EQ(plan.error().message,
            "coder.gguf: does not fit: 16.8 GiB weights + 24.0 GiB KV cache (262144 tokens) + 100.0 MiB workspace + "
            "737.3 MiB reserve = 41.6 GiB of 24.0 GiB free, want 17.6 GiB more");
  int fitting = 0;
  ASSERT_EQ(std::sscanf(plan.error().hint.c_str(), "--ctx %d would fit", &fitting), 1) << plan.error().hint;
  need.ctx = fitting;
  EXPECT_TRUE(plan_memory(need, host_room(24 * kGiB)));
  need.ctx = fitting + 1;
  EXPECT_FALSE(plan_memory(need, host_room(24 * kGiB)));
}

TEST(PlanMemory, WeightsThatDoNotFitHaveNoContextToHint) {
  const auto plan = plan_memory(coder(), host_room(16 * kGiB));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
  EXPECT_NE(plan.error().message.find("256 tokens"), std::string::npos) << plan.error().message;
  EXPECT_EQ(plan.error().hint.find("--ctx"), std::string::npos);
}

TEST(PlanMemory, SharedPagesGrowAsFarAsThereIsRoom) {
  MemoryNeed need = coder();
  need.ctx = 4096;
  need.n_sharing = 8;
  const auto plenty = plan_memory(need, host_room(80 * kGiB));
  ASSERT_TRUE(plenty) << plenty.error().message;
  EXPECT_EQ(plenty->n_ctx, 4096);
  EXPECT_EQ(plenty->n_page, 8 * 64);
  EXPECT_EQ(plenty->kv_bytes, 8 * 4096 * need.footprint.kv_bytes_per_token);
  const MemoryRoom room = host_room(24 * kGiB);
  const int64_t page_bytes = 64 * need.footprint.kv_bytes_per_token;
  need.footprint.weight_bytes =
      room.free_bytes - room.reserve_bytes - need.footprint.workspace_bytes - 100 * page_bytes + 1;
  EXPECT_EQ(plan_memory(need, room)->n_page, 99) << "between one context's 64 pages and eight contexts'";
  need.footprint.weight_bytes += 36 * page_bytes;
  EXPECT_FALSE(plan_memory(need, room)) << "less than one context's";
  need.ctx.reset();
  const auto cut = plan_memory(need, room);
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_EQ(cut->n_ctx, 63 * 64);
  EXPECT_EQ(cut->n_page, 63);
}

TEST(PlanMemory, ASmallContextIsTakenIfItIsAskedFor) {
  MemoryNeed need = coder();
  need.ctx = 64;
  const int64_t free_bytes = 19 * kGiB;
  need.footprint.weight_bytes = free_bytes - host_room(free_bytes).reserve_bytes - need.footprint.workspace_bytes -
                                64 * need.footprint.kv_bytes_per_token;
  EXPECT_TRUE(plan_memory(need, host_room(free_bytes)));
  need.ctx.reset();
  EXPECT_FALSE(plan_memory(need, host_room(free_bytes)));
}

TEST(PlanMemory, RefusesAContextBeyondTheTrainedLength) {
  for (const int ctx : {-1, 262'145}) {
    MemoryNeed need = coder();
    need.ctx = ctx;
    const auto plan = plan_memory(need, host_room(64 * kGiB));
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, Code::kInvalidArgument);
  }
}

TEST(PlanMemory, SeveralSequencesEachGetTheirPages) {
  MemoryNeed need = coder();
  need.ctx = 100;
  need.n_sequence = 4;
  const auto plan = plan_memory(need, host_room(64 * kGiB));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_page, 8);
  EXPECT_EQ(plan->kv_bytes, 4 * 128 * need.footprint.kv_bytes_per_token);
}

TEST(PlanMemory, AbsurdNumbersDoNotWrapAround) {
  MemoryNeed need = coder();
  need.n_ctx_train = std::numeric_limits<int>::max();
  need.footprint.kv_bytes_per_token = std::numeric_limits<int64_t>::max() / 2;
  EXPECT_FALSE(plan_memory(need, host_room(64 * kGiB)));
  need = coder();
  need.footprint.weight_bytes = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(plan_memory(need, host_room(64 * kGiB)));
}

TEST(PlanMemory, ADemoFitsInLittleMemory) {
  const MemoryNeed need = {.model = "demo",
                           .footprint = {.weight_bytes = 36 * kMiB, .kv_bytes_per_token = 8192, .workspace_bytes = 0},
                           .n_ctx_train = 2048,
                           .ctx = std::nullopt};
  EXPECT_EQ(plan_memory(need, host_room(100 * kMiB))->n_ctx, 2048);
}

TEST(PlanMemory, ThePlanAlwaysFits) {
  constexpr uint32_t kSeed = 3;
  std::mt19937 random(kSeed);
  int n_fitting = 0;
  for (int i = 0; i < 2000; ++i) {
    MemoryNeed need = {.model = "m",
                       .footprint = {.weight_bytes = static_cast<int64_t>(random() % 4096) * kMiB,
                                     .kv_bytes_per_token = 1 + static_cast<int64_t>(random() % 100'000),
                                     .workspace_bytes = static_cast<int64_t>(random() % 512) * kMiB},
                       .n_ctx_train = 1 + static_cast<int>(random() % 100'000),
                       .ctx = std::nullopt,
                       .page_size = 1 + static_cast<int>(random() % 256),
                       .n_sequence = 1 + static_cast<int>(random() % 8)};
    if (random() % 2 == 0) need.ctx = static_cast<int>(random() % static_cast<uint32_t>(need.n_ctx_train));
    const int64_t free_bytes = static_cast<int64_t>(random() % 8192) * kMiB;
    const int64_t total_bytes = free_bytes + static_cast<int64_t>(random() % 4096) * kMiB;
    const MemoryRoom room = random() % 2 == 0 ? host_room(free_bytes) : device_room("gpu", free_bytes, total_bytes);
    const auto plan = plan_memory(need, room);
    if (!plan) continue;
    ++n_fitting;
    ASSERT_LE(plan->total_bytes(), free_bytes) << "seed " << kSeed << " case " << i;
    ASSERT_GE(int64_t{plan->n_page} * need.page_size, int64_t{plan->n_ctx} * need.n_sequence);
    ASSERT_GE(plan->n_ctx, 1);
  }
  EXPECT_GT(n_fitting, 500);
}

// 95 % of the device's memory, what others hold included.
TEST(PlanMemory, ADeviceKeepsATwentiethOfAllThatItHas) {
  const MemoryRoom room = device_room("NVIDIA L4", 20 * kGiB, 24 * kGiB);
  EXPECT_EQ(room.used_bytes(), 4 * kGiB);
  MemoryNeed need = coder();
  const auto plan = plan_memory(need, room);
  ASSERT_TRUE(plan);
  const int64_t in_use = room.used_bytes() + plan->weight_bytes + plan->kv_bytes + plan->workspace_bytes;
  EXPECT_LE(in_use * 100, 24 * kGiB * 95);
  EXPECT_GT((in_use + 64 * need.footprint.kv_bytes_per_token) * 100, 24 * kGiB * 95) << "the next page would fit";
  need.ctx = plan->n_ctx;
  EXPECT_TRUE(plan_memory(need, room));
  need.ctx = plan->n_ctx + 1;
  const auto over = plan_memory(need, room);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, Code::kOutOfMemory);
  EXPECT_EQ(over.error().hint, fmt::format("--ctx {} would fit", plan->n_ctx));
}

TEST(PlanMemory, ADeviceThatOthersHoldIsRefusedWithTheNumbers) {
  const auto plan = plan_memory(coder(), device_room("NVIDIA L4", 10 * kGiB, 24 * kGiB));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::kOutOfMemory);
  EXPECT_EQ(
      plan.error().message,
      "coder.gguf: does not fit: 16.8 GiB weights + 24.0 MiB KV cache (256 tokens) + 100.0 MiB workspace + 1.2 GiB "
      "reserve = 18.1 GiB of 10.0 GiB free on NVIDIA L4, where 14.0 GiB of 24.0 GiB are in use, want 8.1 GiB more");
  EXPECT_NE(plan.error().hint.find("if others left the device"), std::string::npos) << plan.error().hint;
  const auto small = plan_memory(coder(), device_room("NVIDIA T400", 4 * kGiB, 4 * kGiB));
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().hint.find("--backend cpu"), std::string::npos) << small.error().hint;
  EXPECT_EQ(small.error().hint.find("others"), std::string::npos) << small.error().hint;
}

TEST(PlanMemory, PagesAskedForAsSuchAreAllOrNothing) {
  MemoryNeed need = coder();
  need.n_page = 100;
  const int64_t kv_bytes = 6400 * need.footprint.kv_bytes_per_token;
  MemoryRoom room = {.free_bytes = need.footprint.weight_bytes + need.footprint.workspace_bytes + kv_bytes,
                     .reserve_bytes = 0,
                     .total_bytes = 0,
                     .where = ""};
  const auto plan = plan_memory(need, room);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_page, 100);
  EXPECT_EQ(plan->kv_bytes, kv_bytes);
  room.free_bytes -= 1;
  const auto none = plan_memory(need, room);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("600.0 MiB KV cache (6400 tokens)"), std::string::npos) << none.error().message;
}

TEST(RoomOf, GoesByTheKindOfDevice) {
  backend::DeviceInfo device;
  device.backend = "cpu";
  device.name = "EPYC";
  device.kind = backend::DeviceKind::kCpu;
  device.memory_free = 8 * kGiB;
  device.memory_total = 16 * kGiB;
  EXPECT_EQ(room_of(device).reserve_bytes, host_room(8 * kGiB).reserve_bytes);
  EXPECT_EQ(room_of(device).total_bytes, 0);
  device.kind = backend::DeviceKind::kDiscrete;
  EXPECT_EQ(room_of(device).reserve_bytes, (16 * kGiB + 19) / 20);
  device.memory_free.reset();
  EXPECT_FALSE(room_of(device).is_known);
  device.kind = backend::DeviceKind::kSoftware;
  device.memory_free = 8 * kGiB;
  EXPECT_EQ(room_of(device).reserve_bytes, host_room(8 * kGiB).reserve_bytes);
}

// Where nobody knows what is free, what was asked for is taken, and nothing is refused for its size.
TEST(PlanMemory, WithoutAWordOfTheDevice) {
  MemoryNeed need;
  need.model = "m.gguf";
  need.footprint = {.weight_bytes = 10 * kGiB, .kv_bytes_per_token = 1000, .workspace_bytes = 5};
  need.n_ctx_train = 100'000;
  const MemoryRoom room = unknown_room("Radeon");
  auto plan = plan_memory(need, room);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->n_ctx, kBlindCtx);
  EXPECT_TRUE(plan->is_cut);
  EXPECT_NE(plan->describe().find("on Radeon, which does not tell its memory"), std::string::npos) << plan->describe();
  need.ctx = 0;
  EXPECT_EQ(plan_memory(need, room)->n_ctx, 100'000);
  EXPECT_FALSE(plan_memory(need, room)->is_cut);
  need.ctx = 100'001;
  EXPECT_EQ(plan_memory(need, room).error().code, Code::kInvalidArgument);
  need.ctx = 70;
  EXPECT_EQ(plan_memory(need, room)->n_page, 2);
  need.n_page = 3;
  EXPECT_EQ(plan_memory(need, room)->n_page, 3);
  need.n_page = 0;
  need.ctx.reset();
  need.n_ctx_train = 300;
  EXPECT_EQ(plan_memory(need, room)->n_ctx, 300);
  EXPECT_FALSE(plan_memory(need, room)->is_cut);
}

}  // namespace
}  // namespace tercet::engine
