// The WebGPU backend on any adapter, one that computes on the CPU among them: what fits into a few minutes there of what the
// suites ask of a GPU (wgpu_model_test, wgpu_shapes_test, wgpu_serving_test).
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/sampling.h"
#include "contract/prompt.h"
#include "contract/small_model.h"
#include "ref/ref.h"
#include "support/crowd.h"
#include "support/demo.h"
#include "support/stage_local.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using quant::Type;

constexpr uint32_t kSeed = 20261126;
constexpr const char* kMaxBinding = "TERCET_WGPU_MAX_BINDING";
constexpr const char* kLimits = "TERCET_WGPU_LIMITS";
constexpr const char* kSubgroups = "TERCET_WGPU_SUBGROUPS";

Subject anywhere(Precision precision) { return {&wgpu::kFactory, precision, wgpu::check_device}; }

class WgpuForward : public testing::Test {
 protected:
  void SetUp() override {
    if (const Status there = wgpu::check_device(0); !there) GTEST_SKIP() << there.error().message;
  }
  void TearDown() override {
    unsetenv(kMaxBinding);
    unsetenv(kLimits);
    unsetenv(kSubgroups);
  }
};

// A software driver takes a second to compile a shader, which is cut to the model's shapes, and keeps it for the next test: so the
// small models here have shapes in common, those of the demo or these, of which nothing is a multiple of 256.
contract::SmallModel odd_model() {
  contract::SmallModel spec;
  spec.name = "nothing is a multiple of 256";
  spec.n_layer = 1;
  spec.n_head = 5;
  spec.n_head_kv = 5;
  spec.d_head = 96;
  spec.d_model = 160;
  spec.d_ff = 96;
  spec.n_expert = 9;
  spec.n_expert_used = 4;
  spec.n_vocab = 131;
  spec.formats = {Type::kQ8_0, Type::kQ8_0, Type::kF16,  Type::kBF16, Type::kF16,
                  Type::kF32,  Type::kBF16, Type::kQ8_0, Type::kF32,  Type::kQ8_0};
  return spec;
}
contract::SmallModel model_like_the_demo() {
  const model::Config& demo = demo_model()->config;
  contract::SmallModel spec;
  spec.name = "a layer like the demo's";
  spec.n_layer = 1;
  spec.d_model = demo.d_model;
  spec.n_head = demo.n_head;
  spec.n_head_kv = demo.n_head_kv;
  spec.d_head = demo.d_head;
  spec.d_ff = demo.d_ff;
  spec.n_expert = demo.n_expert;
  spec.n_expert_used = demo.n_expert_used;
  spec.n_vocab = 131;
  return spec;
}

using Script = std::vector<std::vector<Part>>;

// Prompts alone and together, decoding alone, by two, by four, and beside a prompt: every way through the kernels.
Script script() {
  return {{{0, 67}},        {{1, 1}, {2, 9}, {3, 2}, {4, 3}}, {{0, 1}},
          {{0, 1}, {1, 1}}, {{0, 1}, {1, 1}, {2, 1}, {4, 1}}, {{0, 1}, {3, 70}}};
}
// Fewer rows, the prompt still through tiles where the precision has them.
Script short_script(Precision precision) {
  Script out = script();
  out.pop_back();
  if (precision == Precision::kExact) out[0] = {{0, 20}};
  return out;
}

void expect_right(const Subject& on, const std::shared_ptr<const model::Model>& model, int n_token_id,
                  const std::string& name, const Script& steps) {
  Crowd crowd(5, 200, n_token_id, kSeed);
  StageLocal gate(on, model, crowd.options(on.precision, 2, 96));
  for (const auto& parts : steps)
    if (!gate.run(crowd.take(parts), name + ", seed " + std::to_string(kSeed), 1)) return;
}
void expect_right(const contract::SmallModel& spec) {
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  for (const Precision precision : {Precision::kExact, Precision::kHigh})
    expect_right(anywhere(precision), *model, spec.n_vocab - 1, spec.name, script());
}

TEST_F(WgpuForward, TheDemoInEveryPrecision) {
  for (const Precision precision : {Precision::kExact, Precision::kHigh})
    expect_right(anywhere(precision), demo_model(), demo_model()->config.n_vocab, "demo", short_script(precision));
}

// The demo from end to end: as the adapter is, without subgroups, and with the limits that every adapter has.
TEST_F(WgpuForward, ExactFollowsAGreedyTextOfHuggingFace) {
  const GoldenCase& golden = golden_cases().front();
  const std::vector<TokenId> wanted(golden.greedy_ids.begin(), golden.greedy_ids.begin() + 24);
  using Settings = std::vector<std::pair<const char*, const char*>>;
  for (const Settings& settings :
       {Settings{}, Settings{{kSubgroups, "off"}}, Settings{{kLimits, "least"}, {kMaxBinding, "1048576"}}}) {
    for (const auto& [name, value] : settings) ASSERT_EQ(setenv(name, value, 1), 0);
    const auto backend = make_backend(wgpu::kFactory, demo_model(), options_for(128, Precision::kExact));
    EXPECT_EQ(run_greedy(*backend, golden.ids, static_cast<int>(wanted.size())), wanted)
        << (settings.empty() ? "nothing set" : settings.front().first);
    for (const auto& [name, value] : settings) unsetenv(name);
  }
}

TEST_F(WgpuForward, OddShapesAndFormats) {
  expect_right(odd_model());
  contract::SmallModel group;
  group.name = "seven heads to a key, and an odd head";
  group.n_layer = 1;
  group.n_head = 7;
  group.n_head_kv = 1;
  group.d_head = 96;
  group.n_expert = 17;
  group.n_expert_used = 5;
  group.n_vocab = 131;
  group.tied = true;
  group.formats.o = Type::kF32;
  expect_right(group);
}

// Each stage is a pass of its own where it is timed, of few rows, of many, and of some that are drawn by the host.
TEST_F(WgpuForward, AClockChangesNoBit) {
  const contract::SmallModel spec = model_like_the_demo();
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  Crowd crowd(5, 200, spec.n_vocab - 1, kSeed);
  const auto backend = make_backend(wgpu::kFactory, *model, crowd.options(Precision::kHigh, 2, 96));
  for (const auto& parts : script()) {
    const backend::Batch& batch = crowd.take(parts);
    const auto wanted = contract::run_batch(*backend, batch);
    ASSERT_TRUE(wanted) << wanted.error().message;
    std::vector<backend::Output> outputs(batch.outputs.begin(), batch.outputs.end());
    outputs[0].sample = true;
    for (const float temperature : {0.0F, 1.0F}) {
      outputs[0].sampling.temperature = temperature;
      backend::StepResult seen;
      const auto times = backend->time_step({batch.rows, batch.sequences, {}, outputs}, seen);
      if (!times) {
        ASSERT_EQ(times.error().code, Code::kUnsupported) << times.error().message;
        EXPECT_NE(times.error().message.find(backend->device()), std::string::npos) << times.error().message;
        GTEST_SKIP() << times.error().message;
      }
      std::vector<float> logits;
      for (const auto& output : seen.outputs) logits.insert(logits.end(), output.logits.begin(), output.logits.end());
      ASSERT_EQ(logits, *wanted) << batch.rows.size() << " rows";
      EXPECT_GE(seen.outputs[0].token, 0);
      double sum = 0;
      for (const double seconds : *times) {
        EXPECT_GE(seconds, 0);
        sum += seconds;
      }
      EXPECT_GT(sum, 0) << batch.rows.size() << " rows";
      EXPECT_LT(sum, 600) << batch.rows.size() << " rows: seconds, not ticks";
    }
    const auto after = contract::run_batch(*backend, batch);
    ASSERT_TRUE(after) << after.error().message;
    ASSERT_EQ(*after, *wanted) << batch.rows.size() << " rows";
  }
}

// An adapter whose bindings hold less takes matrices in parts, and gives the same bits.
TEST_F(WgpuForward, SmallBindingsChangeNoBit) {
  const auto ids = long_prompt(20);
  std::vector<std::vector<float>> seen;
  for (const char* limit : {"", "400000", "200000"}) {
    ASSERT_EQ(setenv(kMaxBinding, limit, 1), 0);
    const auto backend = make_backend(wgpu::kFactory, demo_model(), options_for(20, Precision::kExact));
    seen.push_back(run_prompt(*backend, ids, std::vector<int>{19, 1}));
  }
  EXPECT_EQ(seen[1], seen[0]);
  EXPECT_EQ(seen[2], seen[0]);
}

// The other tests of this file have them where the adapter does.
TEST_F(WgpuForward, SubgroupsChangeNoBit) {
  const contract::SmallModel spec = odd_model();
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  for (const Precision precision : {Precision::kExact, Precision::kHigh}) {
    std::vector<std::vector<float>> seen;
    for (const char* wanted : {"on", "off"}) {
      ASSERT_EQ(setenv(kSubgroups, wanted, 1), 0);
      Crowd crowd(5, 200, spec.n_vocab - 1, kSeed);
      const auto backend = make_backend(wgpu::kFactory, *model, crowd.options(precision, 2, 96));
      std::vector<float>& logits = seen.emplace_back();
      for (const auto& parts : script()) {
        const auto step = run_batch(*backend, crowd.take(parts));
        ASSERT_TRUE(step) << step.error().message;
        logits.insert(logits.end(), step->begin(), step->end());
      }
    }
    EXPECT_EQ(seen[0], seen[1]) << backend::precision_name(precision);
  }
  ASSERT_EQ(setenv(kSubgroups, "some", 1), 0);
  const auto misspelt = wgpu::kFactory.make(*model, options_for(20, Precision::kExact));
  ASSERT_FALSE(misspelt);
  EXPECT_EQ(misspelt.error().code, Code::kInvalidArgument);
}

// A prompt of more than 64 rows, few rows, and one: each goes its own way through attention and the products.
TEST_F(WgpuForward, ChunkingChangesNoBit) {
  const auto ids = long_prompt(80);
  const auto backend = make_backend(wgpu::kFactory, demo_model(), options_for(80, Precision::kExact));
  const auto whole = run_prompt(*backend, ids);
  EXPECT_EQ(run_prompt(*backend, ids, std::vector<int>{67, 1, 2, 4, 6}), whole);
}

// Tiles are cut to the shared memory that every adapter has, and matrices to bindings of 1 MiB.
TEST_F(WgpuForward, AnAdapterOfTheLeastLimits) {
  ASSERT_EQ(setenv(kLimits, "least", 1), 0);
  ASSERT_EQ(setenv(kMaxBinding, "1048576", 1), 0);
  contract::SmallModel spec = model_like_the_demo();
  spec.name = "the least limits";
  spec.n_head_kv = 1;
  expect_right(spec);
}

TEST_F(WgpuForward, AMatrixOverTheLimitIsRefusedWithTheFigures) {
  ASSERT_EQ(setenv(kMaxBinding, "10000", 1), 0);
  const auto made = wgpu::kFactory.make(demo_model(), options_for(20, Precision::kExact));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnsupported);
  EXPECT_NE(made.error().message.find("want at most 10000 (maxStorageBufferBindingSize)"), std::string::npos)
      << made.error().message;
  ASSERT_EQ(setenv(kMaxBinding, "some", 1), 0);
  const auto misspelt = wgpu::kFactory.make(demo_model(), options_for(20, Precision::kExact));
  ASSERT_FALSE(misspelt);
  EXPECT_EQ(misspelt.error().code, Code::kInvalidArgument);
}

TEST_F(WgpuForward, AnAdapterThatIsNotThere) {
  for (const int device : {-1, 1000}) {
    backend::Options options = options_for(20, Precision::kExact);
    options.device = device;
    const auto made = wgpu::kFactory.make(demo_model(), options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::kDevice);
    EXPECT_TRUE(made.error().message.starts_with("wgpu: device " + std::to_string(device) + ", want 0.."))
        << made.error().message;
  }
}

TEST_F(WgpuForward, MoreCacheThanABindingHoldsIsRefused) {
  backend::Options options = options_for(20, Precision::kExact);
  options.n_page = 1 << 26;
  const auto made = wgpu::kFactory.make(demo_model(), options);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kUnsupported) << made.error().message;
  EXPECT_NE(made.error().message.find("a layer's KV cache"), std::string::npos) << made.error().message;
}

struct Sampled {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
};

// Two steps in flight: each of the second's rows begins with what the first chose, on the device. With `definition` each
// result is that of the row's own logits.
Sampled sample_in_flight(const backend::Factory& factory, const backend::Output& request, bool definition = false) {
  const auto backend = make_backend(factory, demo_model(), options_for(64, Precision::kExact));
  const std::vector<backend::PageId> pages = {0};
  const TokenId prompt[] = {785, 921, 308};
  Sampled out;
  std::vector<backend::Output> outputs(6, request);
  backend::Ticket before = 0;
  const auto collect = [&](backend::Ticket ticket) {
    backend::StepResult result;
    const Status done = backend->wait(ticket, result);
    ASSERT_TRUE(done) << done.error().message;
    const backend::OutputResult& seen = result.outputs[0];
    if (definition) {
      backend::OutputResult wanted;
      const size_t step = out.tokens.size();
      sample_row(seen.logits, outputs[step], step == 0 ? -1 : out.tokens.back(), wanted);
      EXPECT_EQ(seen.token, wanted.token) << "step " << step;
      EXPECT_EQ(seen.logprob, wanted.logprob) << "step " << step;
      ASSERT_EQ(seen.top.size(), wanted.top.size());
      for (size_t i = 0; i < seen.top.size(); ++i) {
        EXPECT_EQ(seen.top[i].token, wanted.top[i].token) << "step " << step << ", place " << i;
        EXPECT_EQ(seen.top[i].logprob, wanted.top[i].logprob) << "step " << step << ", place " << i;
      }
    }
    out.tokens.push_back(seen.token);
    out.logprobs.push_back(seen.logprob);
  };
  for (int step = 0; step < 6; ++step) {
    std::vector<backend::Row> rows;
    for (int i = 0; i < (step == 0 ? 3 : 1); ++i)
      rows.push_back({step == 0 ? prompt[i] : backend::kLast, step == 0 ? i : 2 + step, 0});
    const backend::Sequence sequence{0, rows.back().position + 1, pages};
    backend::Output& output = outputs[static_cast<size_t>(step)];
    output.row = static_cast<int>(rows.size()) - 1;
    output.random_counter = static_cast<uint64_t>(step);
    output.logits = definition;
    const auto ticket = backend->submit({rows, {&sequence, 1}, {}, {&output, 1}}, nullptr);
    EXPECT_TRUE(ticket) << ticket.error().message;
    if (step > 0) collect(before);
    before = *ticket;
  }
  collect(before);
  return out;
}

backend::Output warm_request() {
  backend::Output out;
  out.sampling.temperature = 0.9F;
  out.sampling.top_k = 20;
  out.sampling.top_p = 0.95F;
  out.sampling.repeat_penalty = 1.1F;
  out.sampling.seed = 7;
  return out;
}

TEST_F(WgpuForward, TokensInFlightAreThoseOfTheReference) {
  for (backend::Output request : {backend::Output{}, warm_request()}) {
    for (const int n_logprob : {0, 3}) {
      request.n_logprob = n_logprob;
      const Sampled wanted = sample_in_flight(ref::kFactory, request);
      const Sampled seen = sample_in_flight(wgpu::kFactory, request);
      EXPECT_EQ(seen.tokens, wanted.tokens) << request.sampling.temperature << " " << n_logprob;
      for (size_t i = 0; i < wanted.logprobs.size(); ++i) EXPECT_NEAR(seen.logprobs[i], wanted.logprobs[i], 1e-3);
    }
  }
}

// Chosen on the device, so that the second step need not wait for the first.
TEST_F(WgpuForward, TokensInFlightAreThoseOfTheDefinition) {
  const std::vector<TokenId> plain = sample_in_flight(wgpu::kFactory, {}, true).tokens;
  // Not the first token, and not at all what comes second.
  const std::vector<backend::TokenBias> bias = {{plain[0], -50.0F}, {plain[0], -50.0F}};
  std::vector<uint32_t> mask((static_cast<size_t>(demo_model()->config.n_vocab) + 31) / 32, ~0U);
  mask[static_cast<size_t>(plain[1]) / 32] &= ~(1U << (plain[1] % 32));
  backend::Output changed;
  changed.bias = bias;
  changed.mask = mask;
  EXPECT_NE(sample_in_flight(wgpu::kFactory, changed, true).tokens, plain);
  backend::Output warm = warm_request();
  warm.bias = bias;
  warm.mask = mask;
  warm.n_logprob = 20;
  sample_in_flight(wgpu::kFactory, warm, true);
  backend::Output hot;
  hot.sampling.temperature = 3.0F;
  hot.sampling.seed = 11;
  hot.sampling.frequency_penalty = 0.5F;
  const std::vector<TokenId> drawn = sample_in_flight(wgpu::kFactory, hot, true).tokens;
  EXPECT_NE(drawn, plain);
  hot.sampling.top_p = 0.5F;
  hot.sampling.min_p = 0.01F;
  sample_in_flight(wgpu::kFactory, hot, true);
}

}  // namespace
}  // namespace tercet::tests
