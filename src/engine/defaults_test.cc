#include "engine/defaults.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "gguf/writer.h"

namespace tercet::engine {
namespace {

struct Made {
  std::vector<std::byte> bytes;
  std::unique_ptr<gguf::File> file;
};

Made make_file(const std::function<void(gguf::Writer&)>& fill) {
  gguf::Writer writer;
  fill(writer);
  Made made;
  made.bytes = *writer.to_bytes();
  made.file = std::move(*gguf::File::from_memory(made.bytes, "test.gguf"));
  return made;
}

void named(gguf::Writer& writer, std::string_view architecture, std::string_view name) {
  writer.add("general.architecture", architecture);
  writer.add("general.name", name);
}

Origin origin_of(const ChosenSampling& chosen, std::string_view name) {
  for (const auto& item : chosen.items)
    if (item.name == name) return item.origin;
  ADD_FAILURE() << name;
  return Origin::kProgram;
}

TEST(Family, IsRecognisedByArchitectureAndName) {
  EXPECT_EQ(find_family("qwen3moe", "Qwen3 Coder 30B A3B Instruct").name, "Qwen3-Coder");
  EXPECT_EQ(find_family("qwen3moe", "qwen3-coder-30b-a3b").name, "Qwen3-Coder");
  EXPECT_EQ(find_family("qwen3moe", "Qwen3 30B A3B Instruct 2507").name, "Qwen3 Instruct");
  EXPECT_EQ(find_family("qwen3moe", "Qwen3-30B-A3B").name, "Qwen3");
  EXPECT_EQ(find_family("qwen3", "Qwen3_8B").name, "Qwen3");
  EXPECT_EQ(find_family("qwen3moe", "Demo MoE Coder 34M").name, "");
  EXPECT_EQ(find_family("qwen3moe", "").name, "");
  EXPECT_EQ(find_family("qwen35moe", "Qwen3.5-35B").name, "");
  EXPECT_EQ(find_family("llama", "Qwen3-Coder distilled").name, "");
}

TEST(Defaults, TheFirstThatIsFoundWins) {
  const Made made = make_file([](gguf::Writer& w) {
    named(w, "qwen3moe", "Qwen3 Coder 30B A3B Instruct");
    w.add("general.sampling.temp", 0.25F);
    w.add("general.sampling.top_k", int32_t{33});
  });
  const auto model = read_model_defaults(*made.file);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->family, "Qwen3-Coder");
  const ChosenSampling chosen = choose_sampling({.top_k = 7}, *model);
  EXPECT_EQ(chosen.sampling.temperature, 0.25F);
  EXPECT_EQ(origin_of(chosen, "temperature"), Origin::kFile);
  EXPECT_EQ(chosen.sampling.top_k, 7);
  EXPECT_EQ(origin_of(chosen, "top_k"), Origin::kRequest);
  EXPECT_EQ(chosen.sampling.top_p, 0.8F);
  EXPECT_EQ(chosen.sampling.repeat_penalty, 1.05F);
  EXPECT_EQ(origin_of(chosen, "repeat_penalty"), Origin::kFamily);
  EXPECT_EQ(chosen.sampling.min_p, 0.0F);
  EXPECT_EQ(origin_of(chosen, "presence_penalty"), Origin::kProgram);
  EXPECT_EQ(describe(chosen, *model),
            "temperature 0.25 (file), top_k 7 (request), top_p 0.8 (family Qwen3-Coder), min_p 0 (family Qwen3-Coder), "
            "repeat_penalty 1.05 (family Qwen3-Coder), presence_penalty 0 (program), frequency_penalty 0 (program)");
}

TEST(Defaults, TheProgramsAreTheLastResort) {
  const Made made = make_file([](gguf::Writer& w) { named(w, "qwen3moe", "Demo MoE Coder 34M"); });
  const auto model = read_model_defaults(*made.file);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->family, "");
  const ChosenSampling chosen = choose_sampling({}, *model);
  EXPECT_EQ(chosen.items.size(), 7U);
  for (const auto& item : chosen.items) EXPECT_EQ(item.origin, Origin::kProgram) << item.name;
  EXPECT_EQ(chosen.sampling.temperature, 0.8F);
  EXPECT_EQ(chosen.sampling.top_k, 40);
}

TEST(Defaults, TheBasenameTellsTheFamilyToo) {
  const Made made = make_file([](gguf::Writer& w) {
    named(w, "qwen3moe", "my favourite");
    w.add("general.basename", "Qwen3-Coder");
  });
  EXPECT_EQ(read_model_defaults(*made.file)->family, "Qwen3-Coder");
}

TEST(Defaults, SamplersThatAreNotHereAreNamed) {
  const Made made = make_file([](gguf::Writer& w) {
    named(w, "qwen3moe", "x");
    w.add("general.sampling.mirostat", int32_t{2});
    w.add("general.sampling.top_k", int32_t{-1});
    w.add("general.sampling.xtc_probability", 0.5F);
  });
  const auto model = read_model_defaults(*made.file);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->ignored,
            (std::vector<std::string>{"general.sampling.mirostat", "general.sampling.xtc_probability"}));
  EXPECT_EQ(model->file.top_k, 0);
}

TEST(Defaults, AbsurdValuesInTheFileAreErrorsThatNameTheKey) {
  const auto message = [](const std::function<void(gguf::Writer&)>& fill) {
    const Made made = make_file(fill);
    const auto model = read_model_defaults(*made.file);
    EXPECT_FALSE(model);
    if (model) return std::string();
    EXPECT_EQ(model.error().code, Code::kCorrupt);
    return model.error().message;
  };
  EXPECT_EQ(message([](gguf::Writer& w) { w.add("general.sampling.temp", -1.0F); }),
            "test.gguf: general.sampling.temp is -1, want at least 0");
  EXPECT_EQ(message([](gguf::Writer& w) { w.add("general.sampling.top_p", 1.5F); }),
            "test.gguf: general.sampling.top_p is 1.5, want at least 0 and at most 1");
  EXPECT_EQ(message([](gguf::Writer& w) { w.add("general.sampling.penalty_repeat", 0.0F); }),
            "test.gguf: general.sampling.penalty_repeat is 0, want more than 0");
  EXPECT_NE(message([](gguf::Writer& w) {
              w.add("general.sampling.min_p", std::numeric_limits<float>::quiet_NaN());
            }).find("general.sampling.min_p is nan"),
            std::string::npos);
  EXPECT_NE(message([](gguf::Writer& w) { w.add("general.sampling.top_k", "many"); }).find("general.sampling.top_k"),
            std::string::npos);
}

}  // namespace
}  // namespace tercet::engine
