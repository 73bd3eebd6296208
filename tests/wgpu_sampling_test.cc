// What the WebGPU backend chooses on the device beside the definition (backend/sampling.h), on the cases of CUDA's sampler: the
// largest logit after biases and masks. Prints its seed, and the case where they differ.
#include <gtest/gtest.h>

#include <cstring>

#include "backend/host_backend.h"
#include "contract/small_model.h"
#include "cuda/sampling_cases.h"
#include "wgpu/context.h"
#include "wgpu/input.h"
#include "wgpu/stages.h"

namespace tercet::tests {
namespace {

using backend::TokenId;
using cuda::Request;
using quant::Type;
using wgpu::Context;

constexpr uint32_t kSeed = 20261128;
constexpr int kOutputs = 9;

// What is left of a case: a greedy choice without penalties.
Request greedy(cuda::Maker& maker, int n_vocab) {
  Request q = maker.make(static_cast<size_t>(n_vocab));
  backend::Sampling& s = q.output.sampling;
  s = {};
  q.output.sample = true;
  q.output.n_logprob = 0;
  q.counts.clear();
  q.last = -1;
  return q;
}

class WgpuSampling : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    auto opened = Context::open(0);
    if (!opened) GTEST_SKIP() << opened.error().message;
    context_ = std::move(*opened);
  }

  // The tokens of a step of these requests, whose logits are given.
  std::vector<TokenId> choose(wgpu::Stages& stages, wgpu::InputWriter& input, std::span<const Request> requests) {
    const auto n = static_cast<int>(requests.size());
    const std::vector<backend::PageId> pages = {0};
    std::vector<backend::Row> rows;
    std::vector<backend::Sequence> sequences;
    std::vector<backend::Output> outputs;
    std::vector<float> logits;
    for (int i = 0; i < n; ++i) {
      rows.push_back({0, 0, i});
      sequences.push_back({i, 1, pages});
      outputs.push_back(requests[static_cast<size_t>(i)].wanted());
      outputs.back().row = i;
      const auto& its = requests[static_cast<size_t>(i)].logits;
      logits.insert(logits.end(), its.begin(), its.end());
    }
    const backend::Step step({rows, sequences, {}, outputs});
    const auto& words = input.write(step, true);
    EXPECT_TRUE(stages.reserve(n, words.size()));
    context_->write(stages.b.input.get(), 0, words.data(), 4 * words.size());
    context_->write(stages.b.logits.get(), 0, logits.data(), 4 * logits.size());
    stages.begin(input.shape(), nullptr, true);
    stages.choose(n);
    const WGPUCommandEncoder encoder = stages.end();
    EXPECT_TRUE(stages.status());
    const auto n_byte = static_cast<uint64_t>(4 * n);
    wgpu::Readback to;
    to.buffer = *context_->make_buffer(n_byte, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "tokens");
    wgpuCommandEncoderCopyBufferToBuffer(encoder, stages.b.tokens.get(), 0, to.buffer.get(), 0, n_byte);
    const WGPUSubmissionIndex submission = context_->submit(encoder);
    context_->start_reading(to, n_byte);
    EXPECT_TRUE(context_->wait(submission));
    std::vector<TokenId> tokens(static_cast<size_t>(n));
    std::memcpy(tokens.data(), context_->reading(to)->data(), n_byte);
    context_->done_reading(to);
    return tokens;
  }

  std::unique_ptr<Context> context_;
};

TEST_P(WgpuSampling, TheGreedyChoiceIsTheDefinitions) {
  const int n_vocab = GetParam();
  contract::SmallModel spec;
  spec.name = "a vocabulary";
  spec.n_layer = 1;
  spec.d_model = 32;
  spec.n_head = 1;
  spec.n_head_kv = 1;
  spec.d_head = 32;
  spec.d_ff = 32;
  spec.n_vocab = n_vocab;
  spec.tied = true;
  spec.formats = {Type::kF32, Type::kF32, Type::kF32, Type::kF32, Type::kF32,
                  Type::kF32, Type::kF32, Type::kF32, Type::kF32, Type::kF32};
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  const model::Config& c = (*model)->config;
  const auto weights = wgpu::load_weights(*context_, **model, 2, uint64_t{1} << 27, {});
  ASSERT_TRUE(weights) << weights.error().message;
  wgpu::Stages stages(*context_, c, **weights, true, 1);
  ASSERT_TRUE(stages.allocate(16, kOutputs, {backend::KvType::kF32, wgpu::kPageSize, 1, 1, c.n_head_kv, c.d_head}));
  wgpu::InputWriter input(c, stages.attn_tile_queries());
  cuda::Maker maker(kSeed);
  int n_adjusted = 0;
  for (int turn = 0; turn < 24; ++turn) {
    std::vector<Request> requests;
    for (int i = 0; i < kOutputs; ++i) requests.push_back(greedy(maker, n_vocab));
    // Some steps have nothing to adjust, and take the kernel for that.
    if (turn % 6 == 0) {
      for (Request& q : requests) {
        q.bias.clear();
        q.mask.clear();
      }
    }
    const std::vector<TokenId> tokens = choose(stages, input, requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      n_adjusted += requests[i].bias.empty() && requests[i].mask.empty() ? 0 : 1;
      backend::OutputResult want;
      backend::sample_row(requests[i].logits, requests[i].wanted(), -1, want);
      EXPECT_EQ(tokens[i], want.token) << "seed " << kSeed << ", turn " << turn << ": " << requests[i].describe();
    }
  }
  EXPECT_GT(n_adjusted, 50);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, WgpuSampling, testing::Values(1, 31, 131, 16385, 40000));

}  // namespace
}  // namespace tercet::tests
