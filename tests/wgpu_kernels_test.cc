// Every text of a kernel that the WebGPU backend can make, by its own choice of kernels: steps of all kinds are recorded for
// models of all formats, and none is run. wgpu-native validates each text, and makes a pipeline of it and of what is bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "contract/small_model.h"
#include "support/crowd.h"
#include "support/wgpu_device.h"
#include "wgpu/context.h"
#include "wgpu/input.h"
#include "wgpu/shaders.h"
#include "wgpu/stages.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

using backend::KvType;
using quant::Type;
using wgpu::Context;

constexpr uint32_t kSeed = 20261128;
constexpr int kMostRows = 400;
constexpr int kMostLength = 800;
constexpr int kSequences = 70;

constexpr Type kTypes[] = {Type::kF32, Type::kF16, Type::kBF16, Type::kQ8_0, Type::kQ4_K, Type::kQ6_K};

// Each matrix has another format, and over six turns all of them.
contract::Formats formats(size_t turn) {
  contract::Formats out;
  Type* const of[] = {&out.token_embd, &out.q,    &out.k,  &out.v,    &out.o,
                      &out.router,     &out.gate, &out.up, &out.down, &out.output};
  for (size_t i = 0; i < std::size(of); ++i) *of[i] = kTypes[(i + turn) % std::size(kTypes)];
  return out;
}

int number_in(const std::string& text, const std::string& constant) {
  const std::string before = "const " + constant + ": u32 = ";
  const size_t at = text.find(before);
  return at == std::string::npos ? -1 : std::stoi(text.substr(at + before.size()));
}

class WgpuKernels : public WithWgpu {
 protected:
  // Of subgroups, as kernels take it for granted: a GPU's and none, since nothing is run; less than the lanes that share a sum.
  std::vector<int> widths(bool is_thorough) const {
    if (!context_->has_subgroups()) return {1};
    return is_thorough ? std::vector<int>{1, 32} : std::vector<int>{32};
  }

  void record(const model::Model& model, wgpu::Stages& stages, wgpu::InputWriter& input, const backend::Batch& batch,
              size_t n_output, bool draws) {
    backend::Batch cut = batch;
    cut.outputs = batch.outputs.first(std::min(n_output, batch.outputs.size()));
    std::vector<backend::Output> outputs(cut.outputs.begin(), cut.outputs.end());
    if (draws && !outputs.empty()) {
      outputs[0].sample = true;
      outputs[0].sampling.temperature = 1.0F;
      outputs[0].sampling.top_k = 5;
      outputs[0].sampling.top_p = 0.5F;
      outputs[0].n_logprob = 3;
    }
    cut.outputs = outputs;
    const backend::Step step(cut);
    const auto& words = input.write(step);
    const int n = static_cast<int>(step.outputs().size());
    ASSERT_TRUE(stages.reserve(n, words.size(), input.shape().sample));
    int length = 1;
    for (const backend::Sequence& s : step.sequences()) length = std::max(length, int{s.length});
    stages.begin(input.shape(), nullptr);
    model::forward(stages, model, {static_cast<int>(step.rows().size()), n, length});
    stages.end();
    ASSERT_TRUE(stages.status()) << stages.status().error().message;
  }

  // Few rows of new sequences and of long ones, alone, together and beside a prompt; prompts.
  void record_all(const model::Model& model, bool is_exact, bool is_thorough, int width) {
    const model::Config& c = model.config;
    const auto weights = wgpu::load_weights(*context_, model, 2, uint64_t{1} << 30, {});
    ASSERT_TRUE(weights) << weights.error().message;
    wgpu::Stages stages(*context_, c, **weights, is_exact, width);
    const Crowd crowd(kSequences, kMostLength, c.n_vocab, kSeed);
    const backend::KvLayout kv = {
        is_exact ? KvType::kF32 : KvType::kF16, wgpu::kPageSize, crowd.n_page(), c.n_layer, c.n_head_kv, c.d_head};
    ASSERT_TRUE(stages.allocate(kMostRows, kSequences, kv));
    wgpu::InputWriter input(c, stages.attn_tile_queries());
    std::vector<int> enough = {wgpu::kEnoughGroups};
    if (is_thorough) enough = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 1 << 30};
    for (const int n : enough) {
      stages.set_enough_groups(n);
      Crowd new_crowd(kSequences, kMostLength, c.n_vocab, kSeed);
      for (const int n_row : {1, 2, 3, 5, 17, 64, 70})
        record(model, stages, input, new_crowd.decode(n_row), static_cast<size_t>(n_row), n_row % 2 == 1);
      const std::vector<std::vector<Part>> prompts = {
          {{0, 9}}, {{0, 40}}, {{0, 1}, {1, 1}, {2, 20}}, {{0, 1}, {3, 70}}, {{4, 65}}, {{5, 100}}, {{6, kMostRows}}};
      for (const auto& parts : prompts) {
        record(model, stages, input, new_crowd.take(parts), 1, true);
        record(model, stages, input, new_crowd.take(std::vector<Part>{{parts.back().sequence, 1}}), 0, false);
      }
      record(model, stages, input, new_crowd.take(std::vector<Part>{{7, 80}}), 80, false);
    }
  }

  // How many rows and outputs a thread has in the kernels of a file that were made: T and R, -1 where it has none.
  using Shapes = std::set<std::pair<int, int>>;
  Shapes shapes_of(const std::string& name) const {
    Shapes out;
    for (const auto& [text, kernel] : context_->kernels())
      if (kernel.name == name) out.emplace(number_in(text, "T"), number_in(text, "R"));
    return out;
  }
  void expect_shapes(const std::string& name, const Shapes& wanted) const {
    const Shapes seen = shapes_of(name);
    for (const auto& [t, r] : wanted) EXPECT_TRUE(seen.contains({t, r})) << name << ": " << t << " x " << r;
  }
  // Of each file the first line, a comment, is in some text. Those that measure or try are device_test's.
  void expect_all_files() const {
    for (const std::string_view name : wgpu::shader_names()) {
      if (name == "kernels/fill" || name == "kernels/read_sum" || name == "kernels/multiply") continue;
      if (name == "attn_out") continue;
      if (name == "kernels/shuffle" || (name == "kernels/subgroups" && !context_->has_subgroups())) continue;
      const std::string_view text = wgpu::shader(name);
      const std::string_view first = text.substr(0, text.find('\n'));
      const bool is_used = std::ranges::any_of(
          context_->kernels(), [&](const auto& kernel) { return kernel.first.find(first) != std::string::npos; });
      EXPECT_TRUE(is_used) << name;
    }
  }
};

TEST_F(WgpuKernels, EveryTextIsValid) {
  for (size_t turn = 0; turn < std::size(kTypes); ++turn) {
    contract::SmallModel spec;
    spec.name = "formats " + std::to_string(turn);
    spec.n_layer = 1;
    spec.formats = formats(turn);
    spec.n_vocab = turn == 0 ? 4099 : 131;
    spec.n_expert = turn % 2 == 0 ? 8 : 40;
    spec.d_ff = turn % 2 == 0 ? 256 : 512;
    spec.n_head_kv = turn % 3 == 0 ? 4 : 1;
    spec.d_head = turn % 3 == 1 ? 128 : 64;
    spec.tied = turn == 5;
    const auto model = contract::make_small_model(spec, kSeed);
    ASSERT_TRUE(model) << model.error().message;
    for (const int width : widths(turn == 0))
      for (const bool is_exact : {true, false}) record_all(**model, is_exact, turn == 0, width);
  }
  expect_all_files();
  expect_shapes("kernels/product",
                {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 4}, {4, 1}, {4, 2}, {4, 4}, {8, 1}, {8, 2}, {8, 4}});
  expect_shapes("experts", {{4, 1}, {4, 2}, {4, 4}, {8, 1}, {8, 2}, {8, 4}});
  if (context_->limits().maxComputeWorkgroupStorageSize >= 32768)
    expect_shapes("kernels/tile",
                  {{1, 1}, {1, 2}, {1, 4}, {1, 8}, {2, 2}, {2, 4}, {2, 8}, {4, 2}, {4, 4}, {4, 8}, {8, 8}});
}

// Tiles are cut to the shared memory that every adapter has.
TEST_F(WgpuKernels, EveryTextForTheLeastLimitsIsValid) {
  ASSERT_EQ(setenv("TERCET_WGPU_LIMITS", "least", 1), 0);
  auto opened = Context::open(0);
  unsetenv("TERCET_WGPU_LIMITS");
  ASSERT_TRUE(opened) << opened.error().message;
  context_ = std::move(*opened);
  contract::SmallModel spec;
  spec.name = "the least limits";
  spec.n_layer = 1;
  spec.n_vocab = 131;
  const auto model = contract::make_small_model(spec, kSeed);
  ASSERT_TRUE(model) << model.error().message;
  record_all(**model, false, true, widths(false).front());
  EXPECT_EQ(shapes_of("kernels/attn_tile"), (Shapes{{2, -1}}));
  const Shapes tiles = shapes_of("kernels/tile");
  EXPECT_TRUE(tiles.contains({4, 4}));
  EXPECT_FALSE(tiles.contains({8, 8}));
}

}  // namespace
}  // namespace tercet::tests
