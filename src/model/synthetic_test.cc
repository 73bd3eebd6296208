#include "model/synthetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "model/weights.h"
#include "quant/format.h"

namespace tercet::model {
namespace {

constexpr uint64_t kSeed = 7;

SyntheticModel make_tiny(uint64_t seed, int n_thread) {
  ThreadPool pool(n_thread);
  auto model = make_synthetic(SyntheticSize::kTiny, seed, pool);
  EXPECT_TRUE(model) << model.error().message;
  return *std::move(model);
}

TEST(Synthetic, SameSeedSameBytesWhateverTheThreads) {
  const SyntheticModel one = make_tiny(kSeed, 1);
  const SyntheticModel three = make_tiny(kSeed, 3);
  const SyntheticModel other = make_tiny(kSeed + 1, 3);
  ASSERT_EQ(one.bytes().size(), three.bytes().size());
  EXPECT_EQ(std::memcmp(one.bytes().data(), three.bytes().data(), one.bytes().size()), 0);
  ASSERT_EQ(one.bytes().size(), other.bytes().size());
  EXPECT_NE(std::memcmp(one.bytes().data(), other.bytes().data(), one.bytes().size()), 0);
}

// Standard deviations of n samples scatter by 1 / sqrt(2 n) of theirs; five of those. A matrix has at most a few
// windows' worth of different values. Quantizing adds to that, most in Q4_K, whose 32 values span about 4.2 sigma in 15
// steps of 0.28 sigma: rounding adds step^2 / 12 to the square of the deviation, so half of that to itself; and since
// scales are rounded upwards, the two outermost values, at about 2.1 sigma, move outwards, by at most half a step.
double deviation_tolerance(const gguf::TensorInfo& tensor) {
  const double n_sample = std::min(static_cast<double>(tensor.n_element), 8192.0 * 256);
  constexpr double kStep = 0.28;
  return 5 / std::sqrt(2 * n_sample) + 0.5 * kStep * kStep / 12 + 2.0 / 32 * 2.1 * kStep / 2;
}

TEST(Synthetic, EveryTensorHasTheDistributionOfItsKind) {
  auto file = open_synthetic(make_tiny(kSeed, 2));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ((*file)->tensors().size(), 51u);
  for (const gguf::TensorInfo& tensor : (*file)->tensors()) {
    const quant::Format* format = quant::find_format(tensor.type);
    ASSERT_NE(format, nullptr) << tensor.name;
    std::vector<float> values(tensor.n_element);
    format->dequantize(values.data(), tensor.data.data(), static_cast<int64_t>(tensor.n_element) / format->block_size);
    const bool is_norm = tensor.dims.size() == 1;
    double sum = 0;
    double squares = 0;
    for (const float value : values) {
      sum += value;
      squares += double{value} * double{value};
    }
    const auto n = static_cast<double>(values.size());
    const double mean = sum / n;
    const double deviation = std::sqrt(squares / n - mean * mean);
    const double want = is_norm ? 0.1 : 0.02;
    EXPECT_NEAR(deviation / want, 1, deviation_tolerance(tensor)) << tensor.name;
    // A mean scatters by sqrt(2) times what a deviation does.
    EXPECT_NEAR((mean - (is_norm ? 1 : 0)) / want, 0, 2 * deviation_tolerance(tensor)) << tensor.name;
  }
}

TEST(Synthetic, LoadsAsAnyModelDoes) {
  auto file = open_synthetic(make_tiny(kSeed, 2));
  ASSERT_TRUE(file) << file.error().message;
  auto model = load_model(*file);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->config.n_vocab, 151936);
  EXPECT_EQ((*model)->config.n_layer, 4);
  EXPECT_EQ((*model)->config.n_expert_used, 2);
  EXPECT_EQ((*model)->token_embd.rows, 151936);
  // Experts differ: each has a window of its own.
  const QTensor& gate = (*model)->layers[0].gate_exps;
  EXPECT_NE(std::memcmp(gate.mat(0).data, gate.mat(1).data, static_cast<size_t>(gate.mat_bytes())), 0);
}

TEST(Synthetic, ProgressGrowsAndEndsAtTheTotal) {
  for (const int n_thread : {1, 3}) {
    ThreadPool pool(n_thread);
    uint64_t last = 0;
    uint64_t end = 0;
    const auto progress = [&](uint64_t done, uint64_t total) {
      EXPECT_GT(done, last);
      EXPECT_LE(done, total);
      last = done;
      end = total;
    };
    ASSERT_TRUE(make_synthetic(SyntheticSize::kTiny, kSeed, pool, progress));
    EXPECT_EQ(last, end);
    EXPECT_EQ(end, 58'559'232u);
  }
}

TEST(Synthetic, IsRefusedWhereItDoesNotFit) {
  ThreadPool pool(1);
  const auto model = make_synthetic(SyntheticSize::kFull, kSeed, pool, {}, 16'000'000'000);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, Code::kOutOfMemory);
  EXPECT_EQ(model.error().message,
            "synthetic:full: 16.00 GB of memory is available, want 18.64 GB (18.55 for weights and 0.09 while they are "
            "made)");
  EXPECT_NE(model.error().hint, "");
}

TEST(Synthetic, SizesAreNamed) {
  for (const SyntheticSize size : {SyntheticSize::kTiny, SyntheticSize::kMid, SyntheticSize::kFull}) {
    const auto parsed = parse_synthetic_size(synthetic_size_name(size));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, size);
  }
  const auto wrong = parse_synthetic_size("huge");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "synthetic size: 'huge', want tiny, mid or full");
}

std::string read_oracle(std::string_view file_name) {
  const std::string path = std::string(TERCET_ORACLE_DIR "/synthetic/").append(file_name);
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The header has every name, type, shape and offset, so a file that a peer maps has the same ones. All sizes: no
// weights.
TEST(Synthetic, PlansWhatTheToolWrites) {
  for (const SyntheticSize size : {SyntheticSize::kTiny, SyntheticSize::kMid, SyntheticSize::kFull}) {
    const std::string name(synthetic_size_name(size));
    const auto layout = plan_synthetic(size);
    ASSERT_TRUE(layout) << layout.error().message;
    const std::string want = read_oracle(name + ".header");
    ASSERT_EQ(layout->header.size(), want.size()) << name;
    EXPECT_EQ(std::memcmp(layout->header.data(), want.data(), want.size()), 0) << name;
    uint64_t n_byte = 0;
    for (const auto& tensor : layout->tensors) n_byte += tensor.n_byte;
    EXPECT_EQ(std::to_string(n_byte), read_oracle(name + ".total"));
    EXPECT_EQ(layout->file_bytes, want.size() + n_byte) << "every tensor is a multiple of the alignment";
  }
}

}  // namespace
}  // namespace tercet::model
