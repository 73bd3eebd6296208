// The WebGPU backend's sampler beside the definition (backend/sampling.h), on the cases of CUDA's: the same tokens and the same
// log-probabilities, to the bit. Prints its seed, and the case where they differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "backend/host_backend.h"
#include "cuda/sampling_cases.h"
#include "support/wgpu_device.h"
#include "wgpu/input.h"
#include "wgpu/stages.h"

namespace tercet::tests {
namespace {

using backend::TokenId;
using cuda::Request;

constexpr uint32_t kSeed = 20261128;

// A step of these outputs: each a row of its own sequence, in slots from the last to the first.
struct Rows {
  explicit Rows(std::span<const Request> requests) {
    const auto n = static_cast<int32_t>(requests.size());
    last_token.resize(requests.size());
    for (int32_t i = 0; i < n; ++i) {
      const Request& request = requests[static_cast<size_t>(i)];
      rows.push_back({request.last >= 0 ? backend::kLast : 0, 0, i});
      sequences.push_back({n - 1 - i, 1, pages});
      outputs.push_back(request.wanted());
      outputs.back().row = i;
      logits.insert(logits.end(), request.logits.begin(), request.logits.end());
      last_token[static_cast<size_t>(n - 1 - i)] = request.last;
    }
  }
  std::vector<backend::PageId> pages = {0};
  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> sequences;
  std::vector<backend::Output> outputs;
  std::vector<float> logits;
  std::vector<TokenId> last_token;
};

// The stages of a model that is not much more than its vocabulary, with logits written in place of what it computes.
class Sampler {
 public:
  Sampler(wgpu::Context& context, int n_vocab, int max_output) : context_(context), n_vocab_(n_vocab) {
    model_ = *contract::make_small_model(model_of_vocabulary(n_vocab), kSeed);
    const model::Config& c = model_->config;
    weights_ = *wgpu::load_weights(context, *model_, 2, uint64_t{1} << 27, {});
    stages_ = std::make_unique<wgpu::Stages>(context, c, *weights_, true, 1);
    const backend::KvLayout kv = {backend::KvType::kF32, wgpu::kPageSize, 1, 1, c.n_head_kv, c.d_head};
    EXPECT_TRUE(stages_->allocate(max_output, max_output, kv));
    input_ = std::make_unique<wgpu::InputWriter>(c, stages_->attn_tile_queries());
  }

  void run(const Rows& rows, backend::StepResult& out, std::vector<TokenId>& last_token,
           std::vector<uint32_t>* results = nullptr) {
    const backend::Step step({rows.rows, rows.sequences, {}, rows.outputs});
    const auto& words = input_->write(step);
    const wgpu::SampleShape shape = input_->shape().sample;
    const int n = static_cast<int>(rows.outputs.size());
    ASSERT_TRUE(stages_->reserve(n, words.size(), shape));
    context_.write(stages_->b.input.get(), 0, words.data(), 4 * words.size());
    context_.write(stages_->b.logits.get(), 0, rows.logits.data(), 4 * rows.logits.size());
    context_.write(stages_->b.last_token.get(), 0, rows.last_token.data(), 4 * rows.last_token.size());
    stages_->begin(input_->shape(), nullptr);
    stages_->choose(n);
    const WGPUCommandEncoder encoder = stages_->end();
    ASSERT_TRUE(stages_->status()) << stages_->status().error().message;

    const std::pair<const wgpu::Buffer*, size_t> parts[] = {
        {&stages_->b.results, size_t{4} * wgpu::kResultWords * rows.outputs.size()},
        {&stages_->b.lists, size_t{8} * static_cast<size_t>(shape.n_entry)},
        {&stages_->b.last_token, 4 * rows.last_token.size()}};
    size_t n_byte = 0;
    for (const auto& [from, size] : parts) n_byte += size;
    wgpu::Readback to;
    to.buffer = *context_.make_buffer(n_byte, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "results");
    size_t at = 0;
    for (const auto& [from, size] : parts) {
      if (size > 0) wgpuCommandEncoderCopyBufferToBuffer(encoder, from->get(), 0, to.buffer.get(), at, size);
      at += size;
    }
    const WGPUSubmissionIndex submission = context_.submit(encoder);
    context_.start_reading(to, n_byte);
    ASSERT_TRUE(context_.wait(submission));
    const auto bytes = context_.reading(to);
    ASSERT_TRUE(bytes) << bytes.error().message;
    std::vector<uint32_t> seen(n_byte / 4);
    std::memcpy(seen.data(), bytes->data(), n_byte);
    context_.done_reading(to);
    const std::span<const uint32_t> all(seen);
    const size_t n_result = parts[0].second / 4;
    const size_t n_list = parts[1].second / 4;
    wgpu::unpack_samples(step, n_vocab_, all.first(n_result), all.subspan(n_result, n_list), out);
    if (results != nullptr) results->assign(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(n_result));
    last_token.resize(rows.last_token.size());
    std::memcpy(last_token.data(), all.subspan(n_result + n_list).data(), parts[2].second);
  }

 private:
  wgpu::Context& context_;
  int n_vocab_;
  std::shared_ptr<const model::Model> model_;
  std::unique_ptr<wgpu::Weights> weights_;
  std::unique_ptr<wgpu::Stages> stages_;
  std::unique_ptr<wgpu::InputWriter> input_;
};

void expect_host(Sampler& sampler, const std::vector<Request>& requests) {
  const Rows rows(requests);
  backend::StepResult got;
  std::vector<TokenId> last_token;
  std::vector<uint32_t> results;
  ASSERT_NO_FATAL_FAILURE(sampler.run(rows, got, last_token, &results));
  for (size_t i = 0; i < requests.size(); ++i) {
    const Request& q = requests[i];
    SCOPED_TRACE(q.describe());
    backend::OutputResult want;
    backend::sample_row(q.logits, q.wanted(), q.last, want);
    const backend::OutputResult& seen = got.outputs[i];
    ASSERT_EQ(seen.token, want.token);
    EXPECT_EQ(seen.logprob, want.logprob);
    ASSERT_EQ(seen.top.size(), want.top.size());
    if (!want.top.empty() && want.top[0].logprob > -cuda::kInf) {
      const size_t at = wgpu::kResultWords * i;
      EXPECT_EQ((uint64_t{results[at + 4]} << 32) | results[at + 3], weight_sum(q));
    }
    for (size_t j = 0; j < want.top.size(); ++j) {
      ASSERT_EQ(seen.top[j].token, want.top[j].token) << "place " << j;
      ASSERT_EQ(seen.top[j].logprob, want.top[j].logprob) << "place " << j;
    }
    EXPECT_EQ(last_token[requests.size() - 1 - i], q.output.sample ? want.token : q.last);
  }
}

struct Size {
  int n_vocab;
  int n_step;
  int max_output;
};

class WgpuSampling : public WithWgpu, public testing::WithParamInterface<Size> {};

TEST_P(WgpuSampling, IsTheDefinitions) {
  const Size size = GetParam();
  Sampler sampler(*context_, size.n_vocab, size.max_output);
  cuda::Maker maker(kSeed + static_cast<uint32_t>(size.n_vocab));
  for (int i = 0; i < size.n_step; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << ", step " << i);
    std::vector<Request> requests;
    const size_t n =
        i == 0 ? static_cast<size_t>(size.max_output) : 1 + maker.below(static_cast<size_t>(size.max_output));
    for (size_t j = 0; j < n; ++j) requests.push_back(maker.make(static_cast<size_t>(size.n_vocab)));
    // Some steps are of one kind alone, and take its kernels.
    for (Request& q : requests) {
      if (i % 4 == 1) q.output = {}, q.last = -1, q.counts.clear(), q.bias.clear(), q.mask.clear();
      if (i % 4 == 2) q.output.sampling.top_p = 1.0F, q.output.n_logprob = 0;
      if (i % 4 == 3) q.output.sampling.top_k = 0, q.output.n_logprob = 0;
    }
    expect_host(sampler, requests);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, WgpuSampling,
                         testing::Values(Size{1, 16, 9}, Size{31, 40, 9}, Size{1000, 60, 9}, Size{4097, 40, 5},
                                         Size{151'936, 16, 3}, Size{262'145, 4, 2}),
                         [](const auto& param) { return std::to_string(param.param.n_vocab); });

// Several outputs of one slot: each is penalized for the token from before the step, and the last one is remembered.
TEST_F(WithWgpu, SlotsRememberTheirLastOutput) {
  constexpr int kVocab = 1000;
  Sampler sampler(*context_, kVocab, 6);
  cuda::Maker maker(kSeed);
  std::vector<Request> requests;
  for (int i = 0; i < 6; ++i) {
    Request q = maker.make(kVocab);
    q.output = {};
    q.output.sampling = {.temperature = 0.7F, .top_k = 20, .top_p = 0.8F, .repeat_penalty = 1.05F, .seed = 5};
    q.output.random_counter = static_cast<uint64_t>(i);
    q.last = 700;
    requests.push_back(q);
  }
  Rows rows(requests);
  for (backend::Row& row : rows.rows) row.sequence = row.sequence < 4 ? 0 : 5;
  rows.rows[0].token = rows.rows[1].token = 3;
  rows.outputs[5].sample = false;
  rows.last_token = {11, -1, -1, -1, -1, 700};  // sequence 0 has slot 5, sequence 5 slot 0
  backend::StepResult got;
  std::vector<TokenId> last_token;
  ASSERT_NO_FATAL_FAILURE(sampler.run(rows, got, last_token));
  for (size_t i = 0; i < 6; ++i) {
    backend::OutputResult want;
    backend::sample_row(requests[i].logits, rows.outputs[i], i < 2 ? -1 : i < 4 ? 700 : 11, want);
    EXPECT_EQ(got.outputs[i].token, want.token) << "output " << i;
  }
  EXPECT_EQ(last_token, (std::vector<TokenId>{got.outputs[4].token, -1, -1, -1, -1, got.outputs[3].token}));
}

}  // namespace
}  // namespace tercet::tests
