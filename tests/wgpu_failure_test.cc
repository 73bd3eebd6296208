// What the WebGPU backend and the engine on it do when a driver has no memory left, or loses the device: on a driver that
// does so when it is told to (faulty_vulkan).
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <set>

#include "contract/small_model.h"
#include "engine/engine.h"
#include "faulty_vulkan/faulty_vulkan.h"
#include "support/demo.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using quant::Type;

class WgpuFailure : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    void* driver = ::dlopen(TERCET_FAULTY_VULKAN, RTLD_NOW);
    ASSERT_NE(driver, nullptr) << ::dlerror();
    faults = reinterpret_cast<Faults* (*)()>(::dlsym(driver, kFaultsSymbol))();
  }
  void SetUp() override {
    const auto devices = wgpu::list_devices();
    if (!devices) GTEST_SKIP() << devices.error().message;
    name_ = devices->front().name;
    ASSERT_NE(name_.find("llvmpipe"), std::string::npos) << name_ << " is not the driver that fails";
    make_right();
  }
  void TearDown() override { make_right(); }
  static void make_right() {
    for (std::atomic<int>* of :
         {&faults->allocations, &faults->submissions, &faults->waits, &faults->queries, &faults->pipelines})
      *of = -1;
  }

  static std::shared_ptr<const model::Model> model() {
    static const auto made = [] {
      contract::SmallModel spec;
      spec.name = "small";
      spec.n_layer = 1;
      spec.n_vocab = 131;
      spec.formats = {Type::kF32, Type::kF32, Type::kF32, Type::kF32, Type::kF32,
                      Type::kF32, Type::kF32, Type::kF32, Type::kF32, Type::kF32};
      return *contract::make_small_model(spec, 1);
    }();
    return made;
  }
  static Result<std::unique_ptr<backend::Backend>> make(int n_page = 2) {
    backend::Options options = options_for(128, Precision::kHigh);
    options.n_page = n_page;
    return wgpu::kFactory.make(model(), options);
  }
  static void expect_works() {
    make_right();
    const auto backend = make();
    ASSERT_TRUE(backend) << backend.error().message;
    EXPECT_EQ(std::ssize(run_greedy(**backend, std::vector<TokenId>{1, 2, 3}, 3)), 3);
  }
  static Result<backend::Ticket> submit(backend::Backend& backend, int position) {
    static const std::vector<backend::PageId> kPages = {0, 1};
    const backend::Row row{7, position, 0};
    const backend::Sequence sequence{0, position + 1, kPages};
    const backend::Output output;
    return backend.submit({{&row, 1}, {&sequence, 1}, {}, {&output, 1}}, nullptr);
  }
  void expect_lost(const Error& error, const std::string& doing) {
    EXPECT_EQ(error.code, Code::kDevice);
    EXPECT_TRUE(error.message.starts_with("wgpu: " + name_ + ": the device was lost: ")) << error.message;
    EXPECT_NE(error.message.find(doing), std::string::npos) << error.message;
  }

  static inline Faults* faults = nullptr;
  std::string name_;
};

// Every allocation is once the one that fails.
TEST_F(WgpuFailure, ADriverWithoutMemoryIsAnErrorThatSaysWhatFor) {
  std::set<std::string> seen;
  bool made = false;
  for (int n = 0; !made && n < 200; ++n) {
    faults->allocations = n;
    // 7,500 pages are 117 MiB of keys and as much of values, which share no block of memory with the rest.
    const auto backend = make(7500);
    made = backend.has_value();
    if (made) break;
    EXPECT_EQ(backend.error().code, Code::kOutOfMemory) << backend.error().message;
    EXPECT_TRUE(backend.error().message.starts_with("wgpu: " + name_ + ": ")) << backend.error().message;
    seen.insert(backend.error().message);
  }
  EXPECT_TRUE(made);
  EXPECT_FALSE(seen.empty());
  for (const std::string& message : seen) std::cout << message << "\n";
  expect_works();
}

TEST_F(WgpuFailure, ADeviceThatIsLostWhenAStepIsSubmitted) {
  auto backend = *make();
  backend::StepResult result;
  const auto first = submit(*backend, 0);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(backend->wait(*first, result));
  faults->submissions = 0;
  const auto second = submit(*backend, 1);
  const Status done = second ? backend->wait(*second, result) : Status(tl::make_unexpected(second.error()));
  ASSERT_FALSE(done);
  expect_lost(done.error(), "submitting a step");
  make_right();
  const auto third = submit(*backend, 1);
  ASSERT_FALSE(third) << "what is lost stays so";
  EXPECT_EQ(third.error().message, done.error().message);
  backend.reset();
  expect_works();
}

TEST_F(WgpuFailure, ADeviceThatIsLostWhileStepsAreInFlight) {
  for (std::atomic<int>* how : {&faults->waits, &faults->queries}) {
    auto backend = *make();
    backend::StepResult result;
    const auto first = submit(*backend, 0);
    ASSERT_TRUE(first) << first.error().message;
    *how = 0;
    const auto second = submit(*backend, 1);
    const Status done = backend->wait(*first, result);
    ASSERT_FALSE(done);
    expect_lost(done.error(), "");
    if (second) {
      const Status after = backend->wait(*second, result);
      ASSERT_FALSE(after);
      EXPECT_EQ(after.error().message, done.error().message);
    }
    backend.reset();
    expect_works();
  }
}

TEST_F(WgpuFailure, ADriverThatMakesNoKernelOfAShaderIsAnErrorThatNamesBoth) {
  auto backend = *make();
  faults->pipelines = 2;
  const auto refused = submit(*backend, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDevice);
  EXPECT_TRUE(refused.error().message.starts_with("wgpu: " + name_ + ": kernel attn: ")) << refused.error().message;
  std::cout << refused.error().message << "\n";
  make_right();
  backend.reset();
  EXPECT_TRUE(make());
}

// In the middle of two answers: both end with the cause, and so does what is asked later.
TEST_F(WgpuFailure, TheEngineEndsItsAnswersAndLives) {
  auto backend = *make();
  std::vector<std::string> ends;
  int n_token = 0;
  {
    engine::Engine engine(*backend, nullptr, {model()->config.n_vocab, 128, 0});
    const auto ask = [&] {
      engine::Request request;
      request.prompt = {1, 2, 3};
      request.max_output = 50;
      request.ignore_eos = true;
      return engine.add(request, {.on_token = [&](const engine::TokenEvent&) { ++n_token; },
                                  .on_finish =
                                      [&](const engine::Finished& finished) {
                                        EXPECT_EQ(finished.reason, engine::FinishReason::kError);
                                        ends.push_back(finished.error ? finished.error->message : "no error");
                                      }});
    };
    ASSERT_TRUE(ask());
    ASSERT_TRUE(ask());
    faults->submissions = 6;
    const Status idle = engine.run_until_idle();
    ASSERT_FALSE(idle);
    expect_lost(idle.error(), "submitting a step");
    EXPECT_GT(n_token, 0) << "in the middle";
    EXPECT_EQ(ends, std::vector<std::string>(2, idle.error().message));
    const auto later = ask();
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().message, idle.error().message);
  }
  backend.reset();
  expect_works();
}

}  // namespace
}  // namespace tercet::tests
