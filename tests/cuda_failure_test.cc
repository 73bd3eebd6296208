// What the CUDA backend says when it cannot be made, and that it leaves nothing behind.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <set>

#include "contract/small_model.h"
#include "cuda/cuda.h"
#include "cuda/memory.h"
#include "support/demo.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using cuda::DeviceBuffer;

constexpr int64_t kMiB = 1 << 20;
// What the runtime may keep for itself; the least of the backend's large buffers is many times that.
constexpr int64_t kSlack = 4 * kMiB;

class CudaFailure : public testing::Test {
 protected:
  void SetUp() override {
    if (const Status there = cuda::check_device(0); !there) GTEST_SKIP() << there.error().message;
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    expect_works();  // what the runtime and the kernels themselves take is taken once
  }

  static backend::Options options() { return options_for(128, Precision::kHigh); }

  static int64_t free_bytes() {
    size_t free = 0;
    size_t total = 0;
    EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
    return static_cast<int64_t>(free);
  }

  static void expect_works() {
    const auto backend = cuda::kFactory.make(demo_model(), options_for(128, Precision::kExact));
    ASSERT_TRUE(backend) << backend.error().message;
    const GoldenCase& golden = golden_cases().front();
    EXPECT_EQ(run_greedy(**backend, golden.ids, 4),
              std::vector<TokenId>(golden.greedy_ids.begin(), golden.greedy_ids.begin() + 4));
    const auto high = cuda::kFactory.make(demo_model(), options());
    ASSERT_TRUE(high) << high.error().message;
    run_prompt(**high, golden.ids);
  }
};

TEST_F(CudaFailure, MorePagesThanThereIsMemory) {
  const int64_t before = free_bytes();
  backend::Options too_many = options();
  too_many.n_page = 1 << 26;
  const auto failed = cuda::kFactory.make(demo_model(), too_many);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kOutOfMemory);
  // 2^26 pages of 4 layers, 2 heads, 64 keys and values of 64 halves: 2^43 bytes.
  EXPECT_NE(failed.error().message.find("8.0 TiB for the KV cache"), std::string::npos) << failed.error().message;
  EXPECT_FALSE(failed.error().hint.empty());
  EXPECT_LE(before - free_bytes(), kSlack);
  expect_works();
}

TEST_F(CudaFailure, ADeviceThatIsNotThere) {
  const auto devices = cuda::list_devices();
  ASSERT_TRUE(devices) << devices.error().message;
  for (const int device : {static_cast<int>(devices->size()), 1000, -1}) {
    backend::Options elsewhere = options();
    elsewhere.device = device;
    const auto failed = cuda::kFactory.make(demo_model(), elsewhere);
    ASSERT_FALSE(failed) << device;
    EXPECT_EQ(failed.error().code, Code::kDevice) << device;
    EXPECT_NE(failed.error().message.find("device " + std::to_string(device) + ", want 0.."), std::string::npos)
        << failed.error().message;
  }
  expect_works();
}

TEST_F(CudaFailure, AShapeThatNoKernelIsFor) {
  contract::SmallModel odd_head;
  odd_head.name = "odd_head";
  odd_head.d_head = 96;
  odd_head.n_head = 8;
  contract::SmallModel many_used;
  many_used.name = "many_used";
  many_used.n_expert = 40;
  many_used.n_expert_used = 33;
  const std::pair<contract::SmallModel, std::string> cases[] = {{odd_head, "96"}, {many_used, "33"}};
  for (const auto& [spec, number] : cases) {
    const auto model = contract::make_small_model(spec, 1);
    ASSERT_TRUE(model) << model.error().message;
    const auto failed = cuda::kFactory.make(*model, options());
    ASSERT_FALSE(failed) << spec.name;
    EXPECT_EQ(failed.error().code, Code::kUnsupported) << failed.error().message;
    EXPECT_NE(failed.error().message.find(spec.name), std::string::npos) << failed.error().message;
    EXPECT_NE(failed.error().message.find(number), std::string::npos) << failed.error().message;
  }
}

// Another holds nearly all of the memory, less of it each time, so that every allocation is once the one that fails.
TEST_F(CudaFailure, WhatWasAllocatedBeforeTheFailureIsGivenBack) {
  backend::Options wide = options();
  wide.max_row = 2048;
  wide.n_page = 1024;
  std::set<std::string> seen;
  bool made = false;
  for (int64_t left = 8 * kMiB; !made && left <= 2048 * kMiB; left += left / 4) {
    const auto other = DeviceBuffer<uint8_t>::allocate(free_bytes() - left, "a test");
    if (!other) continue;  // memory is in pieces
    const int64_t before = free_bytes();
    auto backend = cuda::kFactory.make(demo_model(), wide);
    made = backend.has_value();
    if (made) break;
    EXPECT_EQ(backend.error().code, Code::kOutOfMemory) << backend.error().message;
    seen.insert(backend.error().message);
    EXPECT_LE(before - free_bytes(), kSlack) << "with " << left / kMiB << " MiB: " << backend.error().message;
  }
  EXPECT_TRUE(made);
  EXPECT_GE(seen.size(), 3u);
  for (const std::string& message : seen) std::cout << message << "\n";
  expect_works();
}

// A step that needs more than there is fails, and the backend goes on with smaller ones.
TEST_F(CudaFailure, AStepThatDoesNotFitIsAnErrorAndTheNextIsNot) {
  const auto model = demo_model();
  const backend::Options wide = options_for(1024, Precision::kHigh);
  auto backend = make_backend(cuda::kFactory, model, wide);
  const auto ids = long_prompt(1024);
  const auto wanted = run_prompt(*backend, std::span(ids).first(5));
  const std::vector<backend::PageId> pages = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  std::vector<backend::Row> rows;
  std::vector<backend::Output> outputs(1024);
  for (int i = 0; i < 1024; ++i) {
    rows.push_back({ids[static_cast<size_t>(i)], i, 0});
    outputs[static_cast<size_t>(i)].row = i;
    outputs[static_cast<size_t>(i)].logits = true;  // 25 MB, and what sampling takes
  }
  const backend::Sequence sequence{0, 1024, pages};
  {
    auto other = DeviceBuffer<uint8_t>::allocate(free_bytes() - 4 * kMiB, "a test");
    ASSERT_TRUE(other) << other.error().message;
    const auto refused = backend->submit({rows, {&sequence, 1}, {}, outputs}, nullptr);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kOutOfMemory) << refused.error().message;
  }
  EXPECT_EQ(run_prompt(*backend, std::span(ids).first(5)), wanted);
  EXPECT_EQ(std::ssize(run_prompt(*backend, ids)), 1024 * int64_t{model->config.n_vocab});
}

}  // namespace
}  // namespace tercet::tests
