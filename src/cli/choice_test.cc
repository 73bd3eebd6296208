#include "cli/choice.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "base/thread_pool.h"
#include "model/synthetic.h"

namespace tercet::cli {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

using backend::DeviceInfo;
using backend::DeviceKind;

// What the fakes below answer; each test sets it. A table's functions have no state of their own.
Result<std::vector<DeviceInfo>> g_gpus = std::vector<DeviceInfo>{};
int64_t g_cpu_free = 0;

Result<std::vector<DeviceInfo>> list_gpus() { return g_gpus; }

Result<std::vector<DeviceInfo>> list_cpu() {
  DeviceInfo info;
  info.backend = "cpu";
  info.name = "EPYC";
  info.kind = DeviceKind::kCpu;
  info.memory_total = 64 * kGiB;
  info.memory_free = static_cast<uint64_t>(g_cpu_free);
  return std::vector{info};
}

Result<std::vector<DeviceInfo>> list_silent() {
  DeviceInfo info;
  info.backend = "wgpu";
  info.name = "Adapter";
  return std::vector{info};
}

// 10 GiB of weights, and 1 MiB a row of a step.
backend::Footprint footprint(const model::Model&, const backend::Options& options) {
  return {.weight_bytes = 10 * kGiB, .kv_bytes_per_token = 1 << 20, .workspace_bytes = int64_t{options.max_row} << 20};
}

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model>, const backend::Options&) {
  return error(Code::kUnsupported, "fake");
}

const backend::Factory kGpu = {"cuda", 2048, footprint, make};
const backend::Factory kCpu = {"cpu", 512, footprint, make};

const BackendEntry kEntries[] = {
    {"cuda", &kGpu, true, list_gpus, nullptr, "fast"},
    {"wgpu", nullptr, false, list_silent, nullptr, "runs nothing"},
    {"cpu", &kCpu, true, list_cpu, nullptr, "runs anywhere"},
    {"ref", &kCpu, false, list_cpu, nullptr, "slow"},
};

const BackendEntry kWithAdapters[] = {
    {"wgpu", &kGpu, true, list_gpus, nullptr, "adapters"},
    {"cpu", &kCpu, true, list_cpu, nullptr, "runs anywhere"},
};

DeviceInfo gpu(int index, std::string name, int64_t free_bytes, int64_t total_bytes) {
  DeviceInfo info;
  info.backend = "cuda";
  info.index = index;
  info.name = std::move(name);
  info.kind = DeviceKind::kDiscrete;
  info.memory_free = static_cast<uint64_t>(free_bytes);
  info.memory_total = static_cast<uint64_t>(total_bytes);
  return info;
}

// Its trained length is all that is looked at.
const model::Model& tiny() {
  static const auto model = [] {
    ThreadPool pool(1);
    auto made = model::make_synthetic(model::SyntheticSize::kTiny, 1, pool);
    EXPECT_TRUE(made) << made.error().message;
    return *model::load_model(*model::open_synthetic(*std::move(made)));
  }();
  return *model;
}

class Choose : public testing::Test {
 protected:
  void SetUp() override {
    g_gpus = std::vector{gpu(0, "NVIDIA L4", 22 * kGiB, 24 * kGiB)};
    g_cpu_free = 32 * kGiB;
  }
  static Demand demand(std::string backend = "auto", std::string device = "") {
    Demand out;
    out.backend = std::move(backend);
    out.device = std::move(device);
    out.options.max_sequence = 1;
    return out;
  }
  static Result<Choice> chosen(const Demand& demand) { return choose(kEntries, tiny(), demand); }
};

TEST_F(Choose, AutoTakesTheFirstThatFitsAndSaysWhy) {
  const auto choice = chosen(demand());
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->candidate.entry->name, "cuda");
  EXPECT_EQ(choice->why, "NVIDIA L4, device 0, has room for the model");
  EXPECT_EQ(choice->candidate.options.max_row, 2048);
  EXPECT_EQ(choice->candidate.options.n_page, choice->candidate.plan->n_page);
  EXPECT_GT(choice->candidate.options.n_page, 0);
}

TEST_F(Choose, AutoSaysWhyItCameToTheCpu) {
  g_gpus = error(Code::kDevice, "cuda: no driver found, want one");
  auto choice = chosen(demand());
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->candidate.entry->name, "cpu");
  EXPECT_EQ(choice->why, "cuda: no driver found, want one");
  EXPECT_EQ(choice->candidate.options.max_row, 512);

  g_gpus = std::vector{gpu(0, "NVIDIA L4", 9 * kGiB, 24 * kGiB)};
  choice = chosen(demand());
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->candidate.entry->name, "cpu");
  EXPECT_NE(choice->why.find("does not fit: 10.0 GiB weights"), std::string::npos) << choice->why;
  EXPECT_NE(choice->why.find("NVIDIA L4, where 15.0 GiB of 24.0 GiB are in use"), std::string::npos) << choice->why;
}

TEST_F(Choose, ANamedBackendIsUsedOrIsAnError) {
  g_gpus = error(Code::kDevice, "cuda: no driver found, want one");
  auto choice = chosen(demand("cuda"));
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kDevice);
  EXPECT_EQ(choice.error().message, "cuda: no driver found, want one");
  EXPECT_FALSE(check_demand(kEntries, demand("cuda")));
  EXPECT_TRUE(check_demand(kEntries, demand("cpu")));
  EXPECT_TRUE(check_demand(kEntries, demand()));

  g_gpus = std::vector{gpu(0, "NVIDIA L4", 9 * kGiB, 24 * kGiB)};
  choice = chosen(demand("cuda"));
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kOutOfMemory);

  choice = chosen(demand("wgpu"));
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kUnsupported);
  EXPECT_EQ(choice.error().message, "--backend: wgpu, want one of cuda, cpu, ref: runs nothing");

  choice = chosen(demand("ref"));
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->why, "");
}

TEST_F(Choose, ADeviceThatIsTooOldIsRefusedByName) {
  DeviceInfo old = gpu(0, "Tesla V100", 30 * kGiB, 32 * kGiB);
  old.why_not = "compute capability 7.0, want 8.0 or more";
  g_gpus = std::vector{old};
  const auto named = chosen(demand("cuda"));
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, Code::kDevice);
  EXPECT_EQ(named.error().message, "cuda: device 0, Tesla V100: compute capability 7.0, want 8.0 or more");
  const auto picked = chosen(demand());
  ASSERT_TRUE(picked);
  EXPECT_EQ(picked->candidate.entry->name, "cpu");
  EXPECT_EQ(picked->why, named.error().message);
}

TEST_F(Choose, OfSeveralTheOneWithTheMostFreeMemory) {
  DeviceInfo old = gpu(0, "Tesla V100", 31 * kGiB, 32 * kGiB);
  old.why_not = "compute capability 7.0, want 8.0 or more";
  g_gpus = std::vector{old, gpu(1, "NVIDIA L4", 20 * kGiB, 24 * kGiB), gpu(2, "NVIDIA L40", 22 * kGiB, 48 * kGiB),
                       gpu(3, "NVIDIA L4", 22 * kGiB, 24 * kGiB)};
  EXPECT_EQ(chosen(demand())->candidate.device.index, 2);
  EXPECT_EQ(chosen(demand("cuda"))->candidate.options.device, 2);
  EXPECT_EQ(chosen(demand("cuda", "1"))->candidate.device.index, 1);
  EXPECT_EQ(chosen(demand("cuda", "l40"))->candidate.device.index, 2);
  EXPECT_EQ(chosen(demand("auto", "nvidia l4"))->candidate.device.index, 2) << "a part of all three names";
}

// Its memory is the host's, and as a device it is all the same the last.
TEST_F(Choose, SoftwareIsTakenOnlyByName) {
  DeviceInfo software = gpu(0, "llvmpipe", 32 * kGiB, 64 * kGiB);
  software.kind = DeviceKind::kSoftware;
  g_gpus = std::vector{software};
  auto choice = choose(kWithAdapters, tiny(), demand());
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->candidate.entry->name, "cpu");
  EXPECT_EQ(choice->why, "wgpu: llvmpipe computes on the CPU, want a GPU");
  choice = choose(kWithAdapters, tiny(), demand("wgpu"));
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->candidate.device.name, "llvmpipe");

  DeviceInfo silent = gpu(1, "Radeon", 0, 0);
  silent.memory_free.reset();
  silent.memory_total.reset();
  g_gpus = std::vector{software, silent};
  choice = choose(kWithAdapters, tiny(), demand("wgpu"));
  ASSERT_TRUE(choice) << choice.error().message;
  EXPECT_EQ(choice->candidate.device.name, "Radeon");
  EXPECT_EQ(choice->candidate.plan->n_ctx, std::min(engine::kBlindCtx, tiny().config.n_ctx_train));
}

// The backend's own variable names a device where no flag does.
TEST_F(Choose, AVariableNamesADevice) {
  constexpr const char* kVariable = "CHOICE_TEST_ADAPTER";
  BackendEntry entry = kWithAdapters[0];
  entry.device_variable = kVariable;
  const BackendEntry entries[] = {entry};
  g_gpus = std::vector{gpu(0, "NVIDIA L4", 22 * kGiB, 24 * kGiB), gpu(1, "Intel(R) Arc(tm) A770", 20 * kGiB, 24 * kGiB),
                       gpu(2, "Intel(R) Arc(tm) A380", 20 * kGiB, 24 * kGiB)};
  const auto index_by = [&](const char* value, std::string flag = "") {
    EXPECT_EQ(setenv(kVariable, value, 1), 0);
    const auto choice = choose(entries, tiny(), demand("wgpu", std::move(flag)));
    return choice ? choice->candidate.device.index : -1;
  };
  EXPECT_EQ(index_by(""), 0);
  EXPECT_EQ(variable_note(entry), std::nullopt);
  EXPECT_EQ(index_by("2"), 2);
  EXPECT_EQ(index_by("iNTEL"), 1) << "the first of two";
  EXPECT_EQ(index_by("intel", "l4"), 0) << "a flag wins";
  EXPECT_EQ(index_by("radeon"), -1);
  const std::string wanted =
      "CHOICE_TEST_ADAPTER: radeon, want one of backend wgpu's: "
      "0: NVIDIA L4, 1: Intel(R) Arc(tm) A770, 2: Intel(R) Arc(tm) A380";
  EXPECT_EQ(choose(entries, tiny(), demand("wgpu")).error().message, wanted);
  EXPECT_EQ(check_demand(entries, demand("wgpu")).error().message, wanted);
  EXPECT_EQ(variable_note(entry), wanted);
  EXPECT_EQ(index_by("L4"), 0);
  EXPECT_EQ(variable_note(entry), "CHOICE_TEST_ADAPTER=L4 names 0: NVIDIA L4");
  unsetenv(kVariable);
}

TEST_F(Choose, ADeviceThatWasNamedIsNotReplaced) {
  for (const std::string backend : {"auto", "cuda"}) {
    const auto choice = chosen(demand(backend, "7"));
    ASSERT_FALSE(choice) << backend;
    EXPECT_EQ(choice.error().code, Code::kDevice);
    EXPECT_TRUE(choice.error().message.starts_with("--device: 7, want one of backend ")) << choice.error().message;
    EXPECT_EQ(choice.error().hint, "tercet devices");
  }
  // The device is there and too small: no other is taken, and it says so rather than that the CPU has another name.
  g_gpus = std::vector{gpu(0, "NVIDIA L4", 9 * kGiB, 24 * kGiB)};
  const auto choice = chosen(demand("auto", "L4"));
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kOutOfMemory);
}

TEST_F(Choose, WhereNothingFitsTheLastSaysSo) {
  g_gpus = std::vector{gpu(0, "NVIDIA L4", 9 * kGiB, 24 * kGiB)};
  g_cpu_free = 8 * kGiB;
  const auto choice = chosen(demand());
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kOutOfMemory);
  EXPECT_NE(choice.error().message.find("of 8.0 GiB free"), std::string::npos) << choice.error().message;
}

TEST_F(Choose, AContextBeyondTheTrainedLengthIsNoDevicesFault) {
  Demand wanted = demand();
  wanted.ctx = tiny().config.n_ctx_train + 1;
  const auto choice = chosen(wanted);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().code, Code::kInvalidArgument);
}

TEST_F(Choose, TheDemandReachesThePlan) {
  Demand wanted = demand("cuda");
  wanted.max_row = 64;
  wanted.n_page = 3;
  auto choice = chosen(wanted);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->candidate.options.max_row, 64);
  EXPECT_EQ(choice->candidate.options.n_page, 3);
  EXPECT_EQ(choice->candidate.plan->workspace_bytes, int64_t{64} << 20);
  EXPECT_EQ(choice->candidate.plan->kv_bytes, int64_t{3 * 64} << 20);

  wanted.options.max_sequence = 100;
  EXPECT_EQ(chosen(wanted)->candidate.options.max_row, 100) << "each sequence decodes in every step";

  // Rows cost: 13 GiB of workspace leave no room.
  wanted.max_row = 13 * 1024;
  choice = chosen(wanted);
  ASSERT_FALSE(choice);
  EXPECT_NE(choice.error().message.find("13.0 GiB workspace"), std::string::npos) << choice.error().message;
}

TEST_F(Choose, CandidatesAreKnownWhereNothingRunsYet) {
  const auto found = candidates(kEntries[1], tiny(), demand());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_FALSE(found->front().usable());
  EXPECT_EQ(found->front().footprint.weight_bytes, tiny().weight_bytes());
  EXPECT_EQ(why_not(kEntries[1], found), "runs nothing");
  EXPECT_EQ(why_not(kEntries[3], candidates(kEntries[3], tiny(), demand())), "slow");
}

}  // namespace
}  // namespace tercet::cli
