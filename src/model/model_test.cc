#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <map>

#include "gguf/writer.h"
#include "model/weights.h"

namespace tercet::model {
namespace {

// A model small enough to be written anew for each mistake.
struct Recipe {
  std::string architecture = "qwen3moe";
  std::map<std::string, uint32_t> counts = {{"block_count", 1},
                                            {"context_length", 32},
                                            {"embedding_length", 8},
                                            {"attention.head_count", 4},
                                            {"attention.head_count_kv", 2},
                                            {"attention.key_length", 4},
                                            {"attention.value_length", 4},
                                            {"expert_feed_forward_length", 6},
                                            {"expert_count", 3},
                                            {"expert_used_count", 2},
                                            {"vocab_size", 5}};
  std::map<std::string, float> floats = {{"attention.layer_norm_rms_epsilon", 1e-6F}, {"rope.freq_base", 1e6F}};
  std::map<std::string, std::vector<uint64_t>> tensors = {{"token_embd.weight", {8, 5}},
                                                          {"output_norm.weight", {8}},
                                                          {"output.weight", {8, 5}},
                                                          {"blk.0.attn_norm.weight", {8}},
                                                          {"blk.0.attn_q.weight", {8, 16}},
                                                          {"blk.0.attn_k.weight", {8, 8}},
                                                          {"blk.0.attn_v.weight", {8, 8}},
                                                          {"blk.0.attn_q_norm.weight", {4}},
                                                          {"blk.0.attn_k_norm.weight", {4}},
                                                          {"blk.0.attn_output.weight", {16, 8}},
                                                          {"blk.0.ffn_norm.weight", {8}},
                                                          {"blk.0.ffn_gate_inp.weight", {8, 3}},
                                                          {"blk.0.ffn_gate_exps.weight", {8, 6, 3}},
                                                          {"blk.0.ffn_up_exps.weight", {8, 6, 3}},
                                                          {"blk.0.ffn_down_exps.weight", {6, 8, 3}}};
  std::map<std::string, uint32_t> types;  // ggml type ids of those that are not F32
  std::map<std::string, std::string> texts;
};

Result<std::shared_ptr<const Model>> load(const Recipe& recipe) {
  gguf::Writer writer;
  writer.add("general.architecture", recipe.architecture);
  for (const auto& [key, value] : recipe.counts) writer.add("qwen3moe." + key, value);
  for (const auto& [key, value] : recipe.floats) writer.add("qwen3moe." + key, value);
  for (const auto& [key, value] : recipe.texts) writer.add("qwen3moe." + key, std::string_view(value));
  std::vector<std::vector<std::byte>> data;
  for (const auto& [name, dims] : recipe.tensors) {
    const auto found = recipe.types.find(name);
    const uint32_t type = found == recipe.types.end() ? 0 : found->second;
    const auto size = gguf::measure_tensor(type, dims);
    if (!size) return tl::make_unexpected(size.error());
    data.emplace_back(size->n_byte);
    writer.add_tensor(name, type, dims, data.back());
  }
  static std::deque<std::vector<std::byte>> kept;  // the File looks into them
  ASSIGN_OR_RETURN(kept.emplace_back(), writer.to_bytes());
  ASSIGN_OR_RETURN(auto file, gguf::File::from_memory(kept.back(), "test.gguf"));
  return load_model(std::move(file));
}

TEST(LoadModel, Good) {
  const auto model = load({});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->config.d_q(), 16);
  EXPECT_EQ((*model)->layers[0].down_exps.mat(2).data - (*model)->layers[0].down_exps.data, 2 * 6 * 8 * 4);
  EXPECT_EQ((*model)->layers[0].wq.row(3) - (*model)->layers[0].wq.data, 3 * 8 * 4);
}

TEST(LoadModel, TiedEmbeddings) {
  Recipe recipe;
  recipe.tensors.erase("output.weight");
  const auto model = load(recipe);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->output.data, (*model)->token_embd.data);
}

struct Mistake {
  const char* name;
  std::function<void(Recipe&)> make;
  Code code;
  std::vector<std::string> says;
};

TEST(LoadModel, EachMistakeIsItsOwnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Mistake mistakes[] = {
      {"architecture", [](Recipe& r) { r.architecture = "llama"; }, Code::kUnsupported, {"llama", "qwen3moe"}},
      {"no freq_base", [](Recipe& r) { r.floats.erase("rope.freq_base"); }, Code::kCorrupt, {"rope.freq_base"}},
      {"eps 0", [](Recipe& r) { r.floats["attention.layer_norm_rms_epsilon"] = 0; }, Code::kCorrupt, {"epsilon", "0"}},
      {"eps NaN", [=](Recipe& r) { r.floats["attention.layer_norm_rms_epsilon"] = nan; }, Code::kCorrupt, {"epsilon"}},
      {"base NaN", [=](Recipe& r) { r.floats["rope.freq_base"] = nan; }, Code::kCorrupt, {"rope.freq_base"}},
      {"too many used",
       [](Recipe& r) { r.counts["expert_used_count"] = 4; },
       Code::kCorrupt,
       {"expert_used_count", "4", "3"}},
      {"none used", [](Recipe& r) { r.counts["expert_used_count"] = 0; }, Code::kCorrupt, {"expert_used_count", "0"}},
      {"heads", [](Recipe& r) { r.counts["attention.head_count_kv"] = 3; }, Code::kCorrupt, {"head_count", "4", "3"}},
      {"no heads", [](Recipe& r) { r.counts["attention.head_count_kv"] = 0; }, Code::kCorrupt, {"head_count_kv", "0"}},
      {"odd head",
       [](Recipe& r) {
         r.counts["attention.key_length"] = 5;
         r.counts.erase("attention.value_length");
       },
       Code::kCorrupt,
       {"key_length", "5", "even"}},
      {"value length",
       [](Recipe& r) { r.counts["attention.value_length"] = 8; },
       Code::kUnsupported,
       {"value_length", "8"}},
      {"layers", [](Recipe& r) { r.counts["block_count"] = 4'000'000'000U; }, Code::kCorrupt, {"block_count"}},
      {"float count",
       [](Recipe& r) {
         r.counts.erase("expert_count");
         r.floats["expert_count"] = nanf("");
       },
       Code::kCorrupt,
       {"expert_count", "float32"}},
      {"no vocabulary",
       [](Recipe& r) { r.counts.erase("vocab_size"); },
       Code::kCorrupt,
       {"tokenizer.ggml.tokens is missing", "qwen3moe.vocab_size"}},
      {"rope scaling", [](Recipe& r) { r.texts["rope.scaling.type"] = "yarn"; }, Code::kUnsupported, {"yarn"}},
      {"missing",
       [](Recipe& r) { r.tensors.erase("blk.0.attn_v.weight"); },
       Code::kCorrupt,
       {"blk.0.attn_v.weight", "missing"}},
      {"shape",
       [](Recipe& r) { r.tensors["blk.0.attn_v.weight"] = {8, 9}; },
       Code::kCorrupt,
       {"attn_v", "[8, 9]", "[8, 8]"}},
      {"extra dim",
       [](Recipe& r) { r.tensors["blk.0.attn_v.weight"] = {8, 8, 2}; },
       Code::kCorrupt,
       {"attn_v", "[8, 8, 2]"}},
      {"type", [](Recipe& r) { r.types["blk.0.attn_v.weight"] = 26; }, Code::kUnsupported, {"attn_v", "I32", "Q4_K"}},
      {"quantized norm",
       [](Recipe& r) {
         r.tensors["blk.0.attn_norm.weight"] = {8};
         r.types["blk.0.attn_norm.weight"] = 24;
       },
       Code::kUnsupported,
       {"attn_norm", "I8"}},
      {"bias", [](Recipe& r) { r.tensors["blk.0.attn_q.bias"] = {16}; }, Code::kUnsupported, {"attn_q.bias"}},
  };
  for (const Mistake& mistake : mistakes) {
    Recipe recipe;
    mistake.make(recipe);
    const auto model = load(recipe);
    ASSERT_FALSE(model) << mistake.name;
    EXPECT_EQ(model.error().code, mistake.code) << mistake.name << ": " << model.error().message;
    for (const std::string& part : mistake.says)
      EXPECT_NE(model.error().message.find(part), std::string::npos) << mistake.name << ": " << model.error().message;
  }
}

}  // namespace
}  // namespace tercet::model
