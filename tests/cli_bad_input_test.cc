// Files and prompts that are wrong: exit code 2, one line that names the thing, and no crash.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/memory.h"
#include "cli_test.h"

namespace tercet::tests {
namespace {

// `run` and `inspect` both refuse the file, and say every one of `parts`.
void expect_file_refused(const std::string& path, const std::vector<std::string>& parts) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"run", "-m", path, "-p", "x", "-n", "1"}, {"inspect", path}}) {
    const Outcome outcome = run_tercet({words});
    EXPECT_EQ(outcome.exit_code, 2) << words[0] << ": " << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("tercet: error: ")) << outcome.err;
    for (const std::string& part : parts) EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
}

TEST(BadFile, IsNamed) {
  const TempDir dir;
  expect_file_refused(dir.file("none.gguf"), {"none.gguf: no such file, want one that exists"});
  expect_file_refused(dir.path(), {dir.path(), "directory"});
  write_file(dir.file("empty.gguf"), "");
  expect_file_refused(dir.file("empty.gguf"), {"empty.gguf: is empty, want a file with content"});
  write_file(dir.file("text.gguf"), "This is no model, however long it may be. It goes on and on.");
  expect_file_refused(dir.file("text.gguf"), {"text.gguf"});
}

TEST(BadFile, EveryTruncationIsRefused) {
  const TempDir dir;
  const std::string path = dir.file("cut.gguf");
  std::filesystem::copy_file(demo_path(), path);
  const auto size = std::filesystem::file_size(path);
  for (uint64_t part = 63; part > 0; --part) {
    std::filesystem::resize_file(path, size / 64 * part);
    const Outcome outcome = run_tercet({{"inspect", path}});
    EXPECT_EQ(outcome.exit_code, 2) << part << "/64: " << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("tercet: error: " + path)) << outcome.err;
  }
  std::filesystem::resize_file(path, size - 1);
  expect_file_refused(path, {"cut.gguf"});
}

TEST(BadFile, AModelThatContradictsItselfIsRefused) {
  struct Case {
    Edit edit;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {{.drop_tensor = "blk.2.attn_q.weight"}, {"blk.2.attn_q.weight", "missing"}},
      {{.swap_dims_of = "blk.1.ffn_down_exps.weight"}, {"blk.1.ffn_down_exps.weight", "512, 256", "want"}},
      {{.drop_key = "qwen3moe.rope.freq_base"}, {"qwen3moe.rope.freq_base"}},
      {{.set_f32 = {{"qwen3moe.attention.layer_norm_rms_epsilon", 0.0F}}}, {"layer_norm_rms_epsilon", "want"}},
      {{.set_u32 = {{"qwen3moe.expert_used_count", 17}}}, {"expert_used_count is 17", "16"}},
      {{.set_u32 = {{"qwen3moe.attention.head_count_kv", 3}}}, {"head_count", "3"}},
      {{.drop_key = "tokenizer.ggml.merges"}, {"tokenizer.ggml.merges"}},
  };
  const TempDir dir;
  for (const Case& c : cases) {
    write_edited_demo(dir.file("edited.gguf"), c.edit);
    expect_file_refused(dir.file("edited.gguf"), c.parts);
  }
}

// No fault of the file: `inspect` shows it and says that it can't be run.
TEST(BadFile, WhatIsNotRunHereIsNamed) {
  const TempDir dir;
  const std::string path = dir.file("other.gguf");
  write_edited_demo(path, {.set_string = {{"general.architecture", "mamba"}}});
  const Outcome run = run_tercet({{"run", "-m", path, "-p", "x"}});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_NE(run.err.find("mamba"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("qwen3moe"), std::string::npos) << run.err;
  const Outcome inspect = run_tercet({{"inspect", path}});
  EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_NE(inspect.out.find("cannot be run"), std::string::npos) << inspect.out;
  EXPECT_NE(inspect.out.find("Q4_K"), std::string::npos) << inspect.out;

  write_edited_demo(path, {.make_f64 = "blk.0.ffn_norm.weight"});
  const Outcome typed = run_tercet({{"run", "-m", path, "-p", "x"}});
  EXPECT_EQ(typed.exit_code, 2);
  EXPECT_NE(typed.err.find("'blk.0.ffn_norm.weight' is F64"), std::string::npos) << typed.err;
}

TEST(BadFile, AWrongModelInJson) {
  const TempDir dir;
  const std::string path = dir.file("edited.gguf");
  write_edited_demo(path, {.drop_tensor = "output_norm.weight"});
  const Outcome outcome = run_tercet({{"inspect", path, "--json"}});
  EXPECT_EQ(outcome.exit_code, 2);
  const auto object = json_of(outcome);
  EXPECT_EQ(object.at("error").at("code").as_string(), "corrupt");
  EXPECT_EQ(object.at("runnable").as_bool(), false);
}

void expect_prompt_refused(const Command& command, const std::string& part) {
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

TEST(BadPrompt, IsRefused) {
  expect_prompt_refused({{"run", "--tokens", "785,9217,308"}},
                        "--tokens: 9217, want ids 0..6143: the vocabulary has 6144");
  expect_prompt_refused({{"run", "--tokens", "785,x"}}, "--tokens: x, want token ids");
  expect_prompt_refused({{"run", "--tokens", "-5"}}, "--tokens: -5, want token ids");
  expect_prompt_refused({{"run", "--tokens", ","}}, "--tokens: nothing, want token ids");
  expect_prompt_refused({{"run", "-p", ""}}, "prompt: empty");
  expect_prompt_refused({{"run"}}, "prompt: empty");  // stdin has nothing
  expect_prompt_refused({{"run", "-p", "a", "-f", "b"}}, "--prompt and --file: both given");
  expect_prompt_refused({{"run", "-p", "a", "--tokens", "1"}}, "both given");
  expect_prompt_refused({{"run", "-f", "/nowhere/at/all"}},
                        "/nowhere/at/all: No such file or directory, want a text file");
  expect_prompt_refused({{"run", "-f", "/"}}, "/: a directory, want a text file");
  expect_prompt_refused({{"run", "--raw", "-p", "a", "--system", "b"}}, "--system: given with --raw");
  expect_prompt_refused({{"run", "-p", "a", "--stop", ""}}, "stop string: empty");
}

TEST(BadPrompt, OverTheContextNamesBothNumbers) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "word ";
  const Outcome outcome = run_tercet({{"run", "--raw", "--ctx", "512"}, text});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("tokens, want at most 512"), std::string::npos) << outcome.err;
  expect_prompt_refused({{"run", "-p", "x", "--ctx", "2049"}}, "--ctx: 2049, want 0..2048");
}

TEST(BadFile, AModelThatDoesNotFitIsRefusedWithTheSum) {
  const TempDir dir;
  const std::string path = dir.file("edited.gguf");
  write_edited_demo(path, {.set_u32 = {{"qwen3moe.context_length", 1U << 26}}});
  // 2^26 tokens of 4,096 bytes: 256 GiB of KV cache.
  const Outcome outcome = run_tercet({{"run", "-m", path, "-p", "x", "-n", "1", "--ctx", "0", "--exact"}});
  if (memory_total() > int64_t{256} << 30) GTEST_SKIP() << "256 GiB fit here";
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("does not fit: "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("256.0 GiB KV cache"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("hint: --ctx "), std::string::npos) << outcome.err;
}

TEST(BadFile, CannotDriveTheTerminal) {
  const TempDir dir;
  const std::string path = dir.file("edited.gguf");
  write_edited_demo(path, {.set_string = {{"general.name", "\x1b]0;title\x07\x1b[31m"}}});
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"inspect", path, "--metadata"}, {"run", "-m", path, "-p", "x", "-n", "1", "--stats"}}) {
    const Outcome outcome = run_tercet({words});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ((outcome.out + outcome.err).find('\x1b'), std::string::npos) << words[0];
  }
}

TEST(BadPrompt, AModelWithoutAChatTemplateWantsRaw) {
  const TempDir dir;
  const std::string path = dir.file("edited.gguf");
  write_edited_demo(path, {.drop_key = "tokenizer.chat_template"});
  const Outcome outcome = run_tercet({{"run", "-m", path, "-p", "x"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("no tokenizer.chat_template, want one, or --raw\nhint: --raw"), std::string::npos)
      << outcome.err;
  EXPECT_EQ(run_tercet({{"run", "-m", path, "-p", "x", "--raw", "-n", "1"}}).exit_code, 0);
}

TEST(BadDevice, IsNeverReplacedSilently) {
  const Outcome absent = run_tercet({{"run", "-p", "x", "--device", "7"}});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_NE(absent.err.find("--device: 7, want one of backend cpu's"), std::string::npos) << absent.err;
  for (const std::string backend : {"cuda", "wgpu"}) {
    const Outcome outcome = run_tercet({{"run", "-p", "x", "-n", "1", "--backend", backend, "--json"}});
    if (outcome.exit_code == 0) {
      EXPECT_EQ(json_of(outcome).at("backend").as_string(), backend);
    } else {
      EXPECT_TRUE(outcome.err.starts_with("tercet: error: ")) << outcome.err;
    }
  }
}

TEST(BadDevice, WithoutAGpuCudaIsAnErrorAndAutoSaysWhyNot) {
  for (const std::string verb : {"run", "bench", "trace"}) {
    Command named{{verb, "--backend", "cuda"}};
    if (verb == "run") named.args.insert(named.args.end(), {"-p", "x"});
    if (verb == "trace") named.args.insert(named.args.end(), {"--tokens", "1", "--out", "/dev/null"});
    named.env = {"CUDA_VISIBLE_DEVICES=-1"};
    const Outcome refused = run_tercet(named);
    EXPECT_EQ(refused.exit_code, 1) << verb;
    EXPECT_EQ(refused.out, "");
    EXPECT_TRUE(refused.err.starts_with("tercet: error: cuda: ")) << refused.err;
    EXPECT_NE(refused.err.find("\nhint: "), std::string::npos) << refused.err;
  }
  Command automatic{{"run", "-p", "x", "-n", "1"}};
  automatic.env = {"CUDA_VISIBLE_DEVICES=-1"};
  const Outcome answered = run_tercet(automatic);
  EXPECT_EQ(answered.exit_code, 0);
  EXPECT_NE(answered.err.find("tercet: backend cpu: cuda: "), std::string::npos) << answered.err;
}

}  // namespace
}  // namespace tercet::tests
