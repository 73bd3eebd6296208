#include "cuda/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "backend/sampling.h"

namespace tercet::cuda {
namespace {

using backend::kLast;
using backend::Output;
using backend::TokenBias;
using backend::TokenCount;

// One row for each output, each of a sequence of its own, whose slot is 10 more than its index.
struct Step {
  explicit Step(std::vector<Output> wanted) : outputs(std::move(wanted)) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto index = static_cast<int32_t>(i);
      outputs[i].row = index;
      rows.push_back({0, 0, index});
      sequences.push_back({index + 10, 1, {}});
    }
  }
  backend::Batch batch() const { return {rows, sequences, {}, outputs}; }

  std::vector<Output> outputs;
  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> sequences;
};

// The block as the device reads it.
struct Block {
  Block(const OutputPack& pack, const backend::Batch& batch) : words(pack.bytes() / 8 + 2, 0xAAAA'AAAA'AAAA'AAAA) {
    pack.write(batch, reinterpret_cast<std::byte*>(words.data()));
  }
  template <typename T>
  const T* at(size_t offset) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(words.data()) + offset);
  }
  const SampleRequest& request(size_t i) const { return at<SampleRequest>(0)[i]; }
  std::vector<uint64_t> words;
};

Output drawing(float temperature, int top_k) {
  Output output;
  output.sampling = {.temperature = temperature, .top_k = top_k};
  return output;
}

SampleClass class_of(const Output& output, int n_vocab = 1000) {
  const Step step({output});
  return OutputPack(step.batch(), n_vocab).sample_class();
}

TEST(OutputPack, ChoosesTheClass) {
  EXPECT_EQ(class_of({}), SampleClass::kGreedy);
  EXPECT_EQ(class_of(drawing(0.7F, 20)), SampleClass::kNarrow);
  EXPECT_EQ(class_of(drawing(0.7F, kNarrowMax)), SampleClass::kNarrow);
  EXPECT_EQ(class_of(drawing(0.7F, kNarrowMax + 1)), SampleClass::kWide);
  EXPECT_EQ(class_of(drawing(0.7F, 0)), SampleClass::kWide);
  EXPECT_EQ(class_of(drawing(0.0F, 0)), SampleClass::kGreedy);
  EXPECT_EQ(class_of(drawing(0.7F, 0), kNarrowMax), SampleClass::kNarrow);
  EXPECT_EQ(class_of(drawing(0.7F, 1'000'000), kNarrowMax), SampleClass::kNarrow);

  Output output;
  output.n_logprob = 1;
  EXPECT_EQ(class_of(output), SampleClass::kListing);
  output.n_logprob = kMaxTop;
  EXPECT_EQ(class_of(output), SampleClass::kWide);
  EXPECT_EQ(class_of(output, 3), SampleClass::kListing);
  output = drawing(1.0F, 0);
  output.sample = false;
  output.logits = true;
  EXPECT_EQ(class_of(output), SampleClass::kGreedy);

  output = {};
  const std::vector<uint32_t> mask(32, 1);
  output.mask = mask;
  EXPECT_EQ(class_of(output), SampleClass::kNarrow);
  const Step step({Output{}, drawing(1.0F, 0), drawing(1.0F, 2)});
  EXPECT_EQ(OutputPack(step.batch(), 1000).sample_class(), SampleClass::kWide);
}

TEST(OutputPack, PacksWhatTheKernelsRead) {
  const std::vector<TokenCount> counts = {{7, 3, true}, {2, 0, true}, {900, 1, false}};
  const std::vector<TokenBias> bias = {{5, 1.0F}, {3, 2.0F}, {5, -4.0F}, {3, 8.0F}};
  const std::vector<uint32_t> mask = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                      17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
  Output full;
  full.sampling = {.temperature = 0.5F,
                   .top_k = 12,
                   .top_p = 0.25F,
                   .min_p = 0.125F,
                   .repeat_penalty = 1.5F,
                   .presence_penalty = 0.75F,
                   .frequency_penalty = -0.5F,
                   .seed = 1ULL << 40};
  full.random_counter = 1ULL << 50;
  full.n_logprob = 9;
  full.counts = counts;
  full.bias = bias;
  full.mask = mask;
  Step step({Output{}, full, full});
  step.rows[2].token = kLast;
  const OutputPack pack(step.batch(), 1000);
  EXPECT_EQ(pack.n_output(), 3);
  EXPECT_EQ(pack.max_logprob(), 9);
  EXPECT_LE(pack.bytes(), OutputPack::most_bytes(3, 1000, 4));
  const Block block(pack, step.batch());

  EXPECT_EQ(block.request(0).flags, uint32_t{kSample | kKeepLast});
  EXPECT_EQ(block.request(0).top_k, 1000);
  for (const size_t i : {size_t{1}, size_t{2}}) {
    SCOPED_TRACE(i);
    const SampleRequest& r = block.request(i);
    const uint32_t from_last = i == 2 ? uint32_t{kFromLast} : 0;
    EXPECT_EQ(r.flags, (kSample | kKeepLast | kPenalize | kMask | kAdjust | kDraw) | from_last);
    EXPECT_EQ(r.slot, static_cast<int>(i) + 10);
    EXPECT_EQ(r.random, backend::random_bits(1ULL << 40, 1ULL << 50));
    EXPECT_EQ(r.top_k, 12);
    EXPECT_EQ(r.n_logprob, 9);
    EXPECT_EQ(r.scale, backend::scale_of(0.5F));
    EXPECT_EQ(r.top_p, 1U << 30);
    EXPECT_EQ(r.min_weight, 1ULL << 37);
    EXPECT_EQ(r.positive, 1 / 1.5F);
    EXPECT_EQ(r.other, 1.5F);
    EXPECT_EQ(r.presence, 0.75F);
    EXPECT_EQ(r.frequency, -0.5F);
    ASSERT_EQ(r.n_count, 3U);
    const auto* packed = block.at<PackedCount>(r.count_offset);
    EXPECT_EQ(packed[0].token, 7);
    EXPECT_EQ(packed[0].n_output_and_prompt, 7U);
    EXPECT_EQ(packed[1].n_output_and_prompt, 1U);
    EXPECT_EQ(packed[2].token, 900);
    EXPECT_EQ(packed[2].n_output_and_prompt, 2U);
    ASSERT_EQ(r.n_bias, 4U);
    const auto* added = block.at<PackedBias>(r.bias_offset);  // by token, and within one as they came
    EXPECT_EQ(added[0].token, 3);
    EXPECT_EQ(added[0].bias, 2.0F);
    EXPECT_EQ(added[1].bias, 8.0F);
    EXPECT_EQ(added[2].token, 5);
    EXPECT_EQ(added[2].bias, 1.0F);
    EXPECT_EQ(added[3].bias, -4.0F);
    EXPECT_EQ(std::memcmp(block.at<uint32_t>(r.mask_offset), mask.data(), 128), 0);
  }
  EXPECT_EQ(*block.at<uint64_t>(pack.bytes()), 0xAAAA'AAAA'AAAA'AAAA) << "wrote past its end";
}

TEST(OutputPack, LeavesOutCountsWithoutAPenalty) {
  const std::vector<TokenCount> counts = {{7, 3, true}};
  Output output;
  output.counts = counts;
  const Step step({output});
  const OutputPack pack(step.batch(), 1000);
  EXPECT_EQ(pack.sample_class(), SampleClass::kGreedy);
  EXPECT_EQ(pack.bytes(), sizeof(SampleRequest));
}

TEST(OutputPack, PenalizesTheTokenInFlightAlone) {
  Output output;
  output.sampling.presence_penalty = 1.0F;
  Step step({output, output});
  step.rows[1].token = kLast;
  const OutputPack pack(step.batch(), 1000);
  const Block block(pack, step.batch());
  EXPECT_EQ(block.request(0).flags & kPenalize, 0U);
  EXPECT_NE(block.request(1).flags & kPenalize, 0U);
}

TEST(OutputPack, KeepsTheLastTokenOfEachSlot) {
  Output no_sample;
  no_sample.sample = false;
  Step step({Output{}, Output{}, no_sample, Output{}});
  step.rows[1].sequence = step.rows[2].sequence = 0;
  const OutputPack pack(step.batch(), 1000);
  const Block block(pack, step.batch());
  EXPECT_EQ(block.request(0).flags & kKeepLast, 0U);
  EXPECT_NE(block.request(1).flags & kKeepLast, 0U);
  EXPECT_EQ(block.request(2).flags & kKeepLast, 0U);
  EXPECT_NE(block.request(3).flags & kKeepLast, 0U);
}

TEST(OutputPack, UnpacksResults) {
  Output listing;
  listing.n_logprob = 5;  // of a vocabulary of 3
  Output raw;
  raw.sample = false;
  raw.logits = true;
  const Step step({listing, raw, Output{}, raw});
  const OutputPack pack(step.batch(), 3);
  EXPECT_EQ(std::vector<int>(pack.logit_outputs().begin(), pack.logit_outputs().end()), (std::vector<int>{1, 3}));
  EXPECT_EQ(pack.max_logprob(), 3);
  constexpr uint64_t kTwo = 2 * backend::kWeightOfLargest;
  const std::vector<SampleResult> results = {
      {2, 4.0F, 4.0F, 0, kTwo}, {-1, 0, 0, 0, 0}, {1, 0, 0, 0, 0}, {-1, 0, 0, 0, 0}};
  std::vector<TopEntry> top(size_t{4} * 4, {99, 99});
  top[0] = {2, 4.0F};
  top[1] = {0, 3.0F};
  top[2] = {1, -std::numeric_limits<float>::infinity()};
  const std::vector<float> logits = {1, 2, 3, 4, 5, 6};
  backend::StepResult out;
  out.outputs.resize(9);
  pack.unpack(results.data(), top.data(), 4, logits.data(), out);
  ASSERT_EQ(out.outputs.size(), 4U);
  EXPECT_EQ(out.outputs[0].token, 2);
  EXPECT_EQ(out.outputs[0].logprob, static_cast<float>(-std::log(2.0)));
  ASSERT_EQ(out.outputs[0].top.size(), 3U);
  EXPECT_EQ(out.outputs[0].top[1].token, 0);
  EXPECT_EQ(out.outputs[0].top[1].logprob, static_cast<float>(-1 - std::log(2.0)));
  EXPECT_EQ(out.outputs[1].token, -1);
  EXPECT_EQ(out.outputs[1].logits, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(out.outputs[2].token, 1);
  EXPECT_TRUE(out.outputs[2].top.empty());
  EXPECT_TRUE(out.outputs[2].logits.empty());
  EXPECT_EQ(out.outputs[3].logits, (std::vector<float>{4, 5, 6}));
}

TEST(OutputPack, OfNothingIsEmpty) {
  const OutputPack pack(backend::Batch{}, 1000);
  EXPECT_EQ(pack.n_output(), 0);
  EXPECT_EQ(pack.bytes(), 0U);
  backend::StepResult out;
  out.outputs.resize(2);
  pack.write(backend::Batch{}, nullptr);
  pack.unpack(nullptr, nullptr, 0, nullptr, out);
  EXPECT_TRUE(out.outputs.empty());
}

}  // namespace
}  // namespace tercet::cuda
