// Loads weights and reads them back: what the device has is what the host's statement of the layouts gives (testing.h).
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>

#include "cuda/cuda.h"
#include "cuda/repack.h"
#include "cuda/testing.h"
#include "cuda/weights.h"
#include "model/synthetic.h"

namespace tercet::cuda {
namespace {

using backend::Precision;
using model::QTensor;

constexpr uint32_t kSeed = 11;

class DeviceWeights : public testing::Test {
 protected:
  void SetUp() override {
    const auto devices = list_devices();
    if (!devices) GTEST_SKIP() << devices.error().message;
    if (const Status usable = check_device(0); !usable) GTEST_SKIP() << usable.error().message;
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  }
};

template <typename T>
std::vector<T> read_back(const T* device, int64_t n) {
  std::vector<T> out(static_cast<size_t>(n));
  const cudaError_t status = cudaMemcpy(out.data(), device, out.size() * sizeof(T), cudaMemcpyDeviceToHost);
  EXPECT_EQ(status, cudaSuccess) << cudaGetErrorString(status);
  return out;
}

std::string demo_path() {
  const char* elsewhere = std::getenv("TERCET_SOURCE_DIR");  // a program that runs where it was not built
  const std::string folder = elsewhere != nullptr ? elsewhere : TERCET_SOURCE_DIR;
  return folder + "/models/demo-moe-coder-34m-q4_k_m.gguf";
}

std::shared_ptr<const model::Model> open_model(const std::string& path) {
  auto file = gguf::File::open(path);
  EXPECT_TRUE(file) << file.error().message;
  return *model::load_model(*std::move(file));
}

std::shared_ptr<const model::Model> demo() { return open_model(demo_path()); }

std::shared_ptr<const model::Model> tiny() {
  ThreadPool pool(2);
  auto made = model::make_synthetic(model::SyntheticSize::kTiny, kSeed, pool);
  EXPECT_TRUE(made) << made.error().message;
  return *model::load_model(*model::open_synthetic(*std::move(made)));
}

std::unique_ptr<Weights> load(const model::Model& model, Precision precision,
                              const backend::LoadProgress& progress = {}) {
  auto weights = load_weights(model, precision, 0, 4, progress);
  EXPECT_TRUE(weights) << weights.error().message;
  return weights ? *std::move(weights) : nullptr;
}

void raise(float& largest, uint16_t d, float factor) {
  const float value = std::fabs(quant::half_to_float(d)) * factor;
  if (std::isfinite(value)) largest = std::max(largest, value);
}

void expect_q4_k(const Tensor& seen, const QTensor& w, const char* name) {
  const int64_t n_byte = w.n_mat * w.mat_bytes();
  const auto bytes = read_back(seen.quants, n_byte);
  EXPECT_EQ(std::memcmp(bytes.data(), w.data, bytes.size()), 0) << name;
  float largest = 0;
  for (size_t at = 0; at < bytes.size(); at += sizeof(quant::BlockQ4K)) {
    quant::BlockQ4K block;
    std::memcpy(&block, w.data + at, sizeof block);
    raise(largest, block.d, 63.0F * 15.0F);
    raise(largest, block.dmin, 63.0F);
  }
  EXPECT_EQ(seen.scale_up, scale_up_for(largest)) << name;
}

void expect_q6_k(const Tensor& seen, const QTensor& w, const char* name) {
  const int64_t n_block = w.n_mat * w.rows * (w.cols / 256);
  const auto quants = read_back(seen.quants, n_block * 192);
  const auto scales = read_back(seen.scales, n_block * 16);
  const auto d = read_back(seen.d, n_block);
  float largest = 0;
  for (int64_t b = 0; b < n_block; ++b) {
    quant::BlockQ6K block;
    std::memcpy(&block, w.data + b * 210, sizeof block);
    const PlanesQ6K wanted = repack(block);
    ASSERT_EQ(std::memcmp(quants.data() + b * 192, wanted.quants.data(), 192), 0) << name << " block " << b;
    ASSERT_EQ(std::memcmp(scales.data() + b * 16, wanted.scales.data(), 16), 0) << name << " block " << b;
    ASSERT_EQ(d[static_cast<size_t>(b)], wanted.d) << name << " block " << b;
    raise(largest, block.d, 127.0F * 32.0F);
  }
  EXPECT_EQ(seen.scale_up, scale_up_for(largest)) << name;
}

void expect_q8(const Tensor& seen, const QTensor& w, const char* name) {
  const int64_t n_super = w.n_mat * w.rows * (w.cols / 256);
  const auto quants = read_back(seen.quants, n_super * 256);
  const auto d = read_back(seen.d, n_super * 8);
  float largest = 0;
  for (int64_t b = 0; b < n_super; ++b) {
    std::array<quant::BlockQ8_0, 8> blocks;
    std::memcpy(&blocks, w.data + b * 272, sizeof blocks);
    const PlanesQ8 wanted = repack(blocks);
    ASSERT_EQ(std::memcmp(quants.data() + b * 256, wanted.quants.data(), 256), 0) << name << " superblock " << b;
    ASSERT_EQ(std::memcmp(d.data() + b * 8, wanted.d.data(), 16), 0) << name << " superblock " << b;
    for (const quant::BlockQ8_0& block : blocks) raise(largest, block.d, 127.0F);
  }
  EXPECT_EQ(seen.scale_up, scale_up_for(largest)) << name;
}

void expect_matrix(const Tensor& seen, const QTensor& w, Layout layout, const char* name) {
  EXPECT_EQ(seen.type, static_cast<uint32_t>(w.format->type)) << name;
  EXPECT_EQ(seen.rows, w.rows) << name;
  EXPECT_EQ(seen.cols, w.cols) << name;
  EXPECT_EQ(seen.n_mat, w.n_mat) << name;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(seen.quants) % 16, 0U) << name;
  ASSERT_EQ(seen.layout, layout) << name;
  if (layout == Layout::kQ4K) return expect_q4_k(seen, w, name);
  if (layout == Layout::kQ6K) return expect_q6_k(seen, w, name);
  if (layout == Layout::kQ8) return expect_q8(seen, w, name);
  const auto bytes = read_back(seen.quants, w.n_mat * w.mat_bytes());
  EXPECT_EQ(std::memcmp(bytes.data(), w.data, bytes.size()), 0) << name;
  EXPECT_EQ(seen.scale_up, 1.0F) << name;
}

Layout wanted_layout(const QTensor& w, Precision precision) {
  if (precision == Precision::kExact) return Layout::kFile;
  switch (w.format->type) {
    case quant::Type::kQ4_K: return Layout::kQ4K;
    case quant::Type::kQ6_K: return Layout::kQ6K;
    case quant::Type::kQ8_0: return w.cols % 256 == 0 ? Layout::kQ8 : Layout::kFile;
    default: return Layout::kFile;
  }
}

void expect_norm(const float* seen, const std::vector<float>& wanted) {
  const auto values = read_back(seen, std::ssize(wanted));
  EXPECT_EQ(std::memcmp(values.data(), wanted.data(), wanted.size() * sizeof(float)), 0);
}

void expect_model(const Weights& seen, const model::Model& model, Precision precision) {
  const auto matrix = [&](const Tensor& tensor, const QTensor& w, const char* name) {
    expect_matrix(tensor, w, wanted_layout(w, precision), name);
  };
  expect_matrix(seen.token_embd, model.token_embd, Layout::kFile, "token_embd");
  matrix(seen.output, model.output, "output");
  expect_norm(seen.output_norm, model.output_norm);
  ASSERT_EQ(seen.layers.size(), model.layers.size());
  for (size_t i = 0; i < seen.layers.size(); ++i) {
    const LayerWeights& l = seen.layers[i];
    const model::LayerSpec& m = model.layers[i];
    expect_norm(l.attn_norm, m.attn_norm);
    expect_norm(l.attn_q_norm, m.attn_q_norm);
    expect_norm(l.attn_k_norm, m.attn_k_norm);
    expect_norm(l.ffn_norm, m.ffn_norm);
    matrix(l.wq, m.wq, "wq");
    matrix(l.wk, m.wk, "wk");
    matrix(l.wv, m.wv, "wv");
    matrix(l.wo, m.wo, "wo");
    expect_matrix(l.gate_inp, m.gate_inp, Layout::kFile, "gate_inp");
    matrix(l.gate_exps, m.gate_exps, "gate_exps");
    matrix(l.up_exps, m.up_exps, "up_exps");
    matrix(l.down_exps, m.down_exps, "down_exps");
  }
}

TEST_F(DeviceWeights, AreTheFilesInEveryPrecision) {
  for (const auto& model : {demo(), tiny()}) {
    for (const Precision precision : {Precision::kExact, Precision::kHigh, Precision::kFast}) {
      const auto weights = load(*model, precision);
      ASSERT_NE(weights, nullptr);
      expect_model(*weights, *model, precision);
    }
  }
}

// Random bytes, half of whose scales may be anything: matrices of more than one chunk of 32 MiB, with a last block that
// stands alone.
struct RandomMatrix {
  RandomMatrix(quant::Type type, int64_t rows, int64_t cols, std::mt19937& random) {
    w.format = &quant::format_of(type);
    w.rows = rows;
    w.cols = cols;
    bytes.resize(static_cast<size_t>(w.mat_bytes()) + sizeof(uint32_t));
    for (size_t i = 0; i + sizeof(uint32_t) <= bytes.size(); i += sizeof(uint32_t)) {
      const auto word = static_cast<uint32_t>(random());
      std::memcpy(bytes.data() + i, &word, sizeof word);
    }
    w.data = bytes.data();
  }
  std::vector<std::byte> bytes;
  QTensor w;
};

TEST_F(DeviceWeights, OfMoreThanOneChunk) {
  std::mt19937 random(kSeed);
  const RandomMatrix q4(quant::Type::kQ4_K, 60'001, 1024, random);
  const RandomMatrix q6(quant::Type::kQ6_K, 50'001, 1024, random);
  const RandomMatrix q8(quant::Type::kQ8_0, 40'001, 1024, random);
  const RandomMatrix odd(quant::Type::kQ8_0, 33, 160, random);
  const auto base = tiny();
  model::Model model = *base;
  model.layers[0].wq = q4.w;
  model.layers[0].wk = q6.w;
  model.layers[0].wv = q8.w;
  model.layers[0].wo = odd.w;
  model.layers[1].down_exps = q6.w;
  for (const Precision precision : {Precision::kExact, Precision::kHigh}) {
    const auto weights = load(model, precision);
    ASSERT_NE(weights, nullptr);
    expect_model(*weights, model, precision);
  }
}

TEST_F(DeviceWeights, ATiedOutputHasItsOwnLayout) {
  const auto base = tiny();
  std::mt19937 random(kSeed);
  const RandomMatrix q6(quant::Type::kQ6_K, base->token_embd.rows, base->token_embd.cols, random);
  model::Model model = *base;
  model.token_embd = q6.w;
  model.output = q6.w;
  const auto high = load(model, Precision::kHigh);
  ASSERT_NE(high, nullptr);
  expect_model(*high, model, Precision::kHigh);
  const auto exact = load(model, Precision::kExact);
  ASSERT_NE(exact, nullptr);
  EXPECT_EQ(exact->output.quants, exact->token_embd.quants);
}

TEST_F(DeviceWeights, TakeWhatWasPlannedAndGiveItBack) {
  const auto model = demo();
  size_t before = 0;
  size_t during = 0;
  size_t after = 0;
  size_t total = 0;
  load(*model, Precision::kHigh);  // what the runtime itself needs is taken once
  ASSERT_EQ(cudaMemGetInfo(&before, &total), cudaSuccess);
  auto weights = load(*model, Precision::kHigh);
  ASSERT_NE(weights, nullptr);
  EXPECT_EQ(weights->memory.size(), weight_bytes_on_device(*model, Precision::kHigh));
  ASSERT_EQ(cudaMemGetInfo(&during, &total), cudaSuccess);
  // Others may use the device as well; but 96 MiB of staging would show beside 37 MB of weights.
  EXPECT_LT(before - std::min(before, during), static_cast<size_t>(weights->memory.size()) + (size_t{16} << 20));
  weights.reset();
  ASSERT_EQ(cudaMemGetInfo(&after, &total), cudaSuccess);
  EXPECT_GT(after, during);
  EXPECT_NE(load(*model, Precision::kHigh), nullptr) << "again";
}

TEST_F(DeviceWeights, ProgressAscendsToTheTotalAndEndsThere) {
  const auto model = demo();
  int64_t last = 0;
  int64_t n_total = 0;
  bool ended = false;
  load(*model, Precision::kHigh, [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_FALSE(ended);
    last = done;
    n_total = total;
    ended = done == total;
  });
  EXPECT_TRUE(ended);
  EXPECT_GE(n_total, model->weight_bytes());
}

TEST_F(DeviceWeights, AFileThatShrinksMeanwhileIsAnError) {
  const auto path = std::filesystem::path(testing::TempDir()) / fmt::format("tercet-shrinks-{}.gguf", ::getpid());
  std::filesystem::copy_file(demo_path(), path, std::filesystem::copy_options::overwrite_existing);
  const auto model = open_model(path.string());
  const auto weights = load_weights(*model, Precision::kHigh, 0, 4, [&](int64_t, int64_t) {
    if (std::filesystem::file_size(path) > 1 << 20) std::filesystem::resize_file(path, 1 << 20);
  });
  std::filesystem::remove(path);
  ASSERT_FALSE(weights);
  EXPECT_EQ(weights.error().code, Code::kIo);
  EXPECT_NE(weights.error().message.find("shrank"), std::string::npos) << weights.error().message;
}

TEST_F(DeviceWeights, MoreThanThereIsIsAnErrorAndHarmsNothing) {
  const auto too_much = DeviceBuffer<uint8_t>::allocate(int64_t{1} << 50, "a test");
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().code, Code::kOutOfMemory);
  EXPECT_EQ(too_much.error().message.find("cuda: 1.0 PiB for a test: "), 0U) << too_much.error().message;
  EXPECT_TRUE(DeviceBuffer<uint8_t>::allocate(1, "a test"));
}

TEST_F(DeviceWeights, TheBandwidthIsThatOfAGpu) {
  const auto bandwidth = measure_read_bandwidth(0);
  ASSERT_TRUE(bandwidth) << bandwidth.error().message;
  EXPECT_GT(*bandwidth, 1e10);
  EXPECT_LT(*bandwidth, 1e14);
}

TEST_F(DeviceWeights, TheArithmeticIsThatOfTensorCores) {
  const auto most = measure_arithmetic(0, 1);
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_GT(most->flops_per_second, 5e12);
  EXPECT_LT(most->flops_per_second, 1e16);
}

}  // namespace
}  // namespace tercet::cuda
