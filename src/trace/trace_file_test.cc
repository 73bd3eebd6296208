#include "trace/trace_file.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "trace/compare.h"

namespace tercet::trace {
namespace {

using backend::Tap;
namespace fs = std::filesystem;

class TraceFiles : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / fmt::format("tercet-trace-{}", getpid());
    fs::create_directories(dir_);
    config_.n_layer = 2;
    config_.d_model = 3;
    config_.n_head = 2;
    config_.n_head_kv = 1;
    config_.d_head = 2;
    config_.n_expert_used = 2;
    config_.n_vocab = 5;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string path() const { return (dir_ / "t.safetensors").string(); }

  // A trace of four tokens in steps of one and three.
  Status write(const std::string& to) {
    auto writer = TraceWriter::create(to, config_, {Tap::kFfnMoeTopk, Tap::kResultOutput}, {"m", "cpu", {7, 8, 9, 1}});
    RETURN_IF_ERROR(writer);
    int position = 0;
    for (const int n : {1, 3}) {
      (*writer)->set_position(position);
      for (int layer = 0; layer < 2; ++layer) {
        std::vector<int32_t> ids(static_cast<size_t>(n) * 2);
        for (size_t i = 0; i < ids.size(); ++i) ids[i] = layer * 100 + position * 2 + static_cast<int>(i);
        (*writer)->write({Tap::kFfnMoeTopk, layer, n, 2, {}, ids});
      }
      std::vector<float> logits(static_cast<size_t>(n) * 5);
      for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(position * 5) + static_cast<float>(i);
      (*writer)->write({Tap::kResultOutput, -1, n, 5, logits, {}});
      position += n;
    }
    return (*writer)->finish();
  }

  fs::path dir_;
  model::Config config_;
};

TEST_F(TraceFiles, ComesBackAsItWasWritten) {
  ASSERT_TRUE(write(path()));
  const auto file = TraceFile::open(path());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ((*file)->tokens(), (std::vector<int32_t>{7, 8, 9, 1}));
  EXPECT_EQ((*file)->metadata().at("backend"), "cpu");
  const auto ids = (*file)->read("ffn_moe_topk-1");
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->shape, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(ids->ids, (std::vector<int32_t>{100, 101, 102, 103, 104, 105, 106, 107}));
  const auto logits = (*file)->read("result_output");
  ASSERT_TRUE(logits);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(logits->f32[i], static_cast<float>(i));
  EXPECT_FALSE((*file)->read("ffn_moe_topk-2"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1) << "a temporary file was left";
}

TEST_F(TraceFiles, AFailedWriteLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(write(path()));
  const auto size = fs::file_size(path());
  {
    auto writer = TraceWriter::create(path(), config_, {Tap::kInpEmbd}, {"m", "cpu", {1}});
    ASSERT_TRUE(writer);
  }  // never finished
  EXPECT_EQ(fs::file_size(path()), size);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 1);
}

TEST_F(TraceFiles, AFullDiskIsAnErrorThatNamesTheFile) {
  const Status status = write("/dev/full");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kIo);
  EXPECT_NE(status.error().message.find("/dev/full"), std::string::npos) << status.error().message;
  const Status nowhere = write((dir_ / "no" / "such" / "folder").string());
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Code::kIo);
}

TEST_F(TraceFiles, ComparesARunWithAFile) {
  ASSERT_TRUE(write(path()));
  const auto file = TraceFile::open(path());
  ASSERT_TRUE(file);
  TraceComparison comparison(**file);
  comparison.set_position(1);
  std::vector<int32_t> ids = {2, 3, 4, 999, 6, 7};
  comparison.write({Tap::kFfnMoeTopk, 0, 3, 2, {}, ids});
  std::vector<float> logits(15);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 2 * static_cast<float>(i + 5);
  comparison.write({Tap::kResultOutput, -1, 3, 5, logits, {}});
  const auto all = comparison.finish();
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].n_different_id, 1);
  EXPECT_FALSE((*all)[0].within(1));
  EXPECT_NEAR((*all)[1].values->cosine, 1, 1e-12);
  EXPECT_NEAR((*all)[1].values->relative_l2, 1, 1e-12);
  EXPECT_TRUE((*all)[1].within(1.01));
  EXPECT_FALSE((*all)[1].within(0.99));
  // A run longer than the file is not compared by halves.
  comparison.set_position(2);
  comparison.write({Tap::kResultOutput, -1, 3, 5, logits, {}});
  EXPECT_FALSE(comparison.finish());
}

TEST_F(TraceFiles, HostileFilesAreErrors) {
  ASSERT_TRUE(write(path()));
  std::ifstream in(path(), std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  const unsigned seed = 4711;
  std::mt19937 random(seed);
  const std::string broken_path = (dir_ / "broken").string();
  for (int round = 0; round < 500; ++round) {
    std::string bytes = good;
    if (round < 100) bytes.resize(good.size() * static_cast<size_t>(round) / 100);
    for (int i = 0; i < 3 && round >= 100; ++i)
      bytes[random() % std::min<size_t>(bytes.size(), 600)] = static_cast<char>(random());
    std::ofstream(broken_path, std::ios::binary) << bytes;
    const auto file = TraceFile::open(broken_path);
    if (round < 100) {
      EXPECT_FALSE(file) << "cut at " << bytes.size();
    }
    if (!file) continue;
    for (const char* name : {"ffn_moe_topk-0", "result_output"})
      if ((*file)->has(name)) {
        EXPECT_TRUE((*file)->read(name));
      }
    (void)(*file)->tokens();
  }
}

}  // namespace
}  // namespace tercet::trace
