// `trace`: its file as the safetensors package reads it, the comparison with one, and outputs that cannot be written.
#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>

#include "backend/sampling.h"
#include "cli_test.h"
#include "trace/measure.h"
#include "trace/trace_file.h"

namespace tercet::tests {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const std::string kThree = "785,921,308";

struct Shape {
  int64_t width;
  const char* dtype;
  bool per_layer;
};

// The demo's; docs/stages.md has the shapes.
const std::map<std::string, Shape> kTaps = {
    {"inp_embd", {512, "float32", false}},    {"attn_norm", {512, "float32", true}},
    {"Qcur", {512, "float32", true}},         {"Kcur", {128, "float32", true}},
    {"Vcur", {128, "float32", true}},         {"kqv_out", {512, "float32", true}},
    {"ffn_inp", {512, "float32", true}},      {"ffn_norm", {512, "float32", true}},
    {"ffn_moe_topk", {4, "int32", true}},     {"ffn_moe_weights_norm", {4, "float32", true}},
    {"ffn_moe_out", {512, "float32", true}},  {"l_out", {512, "float32", true}},
    {"result_norm", {512, "float32", false}}, {"result_output", {6144, "float32", false}},
};
constexpr int kLayers = 4;

Outcome run_trace(const std::string& tokens, const std::vector<std::string>& more) {
  Command command{{"trace", "--tokens", tokens}};
  command.args.insert(command.args.end(), more.begin(), more.end());
  return run_tercet(command);
}

std::unique_ptr<trace::TraceFile> open_trace(const std::string& path) {
  auto file = trace::TraceFile::open(path);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *std::move(file) : nullptr;
}

// As the safetensors package sees it.
json::object show(const std::string& path) { return json_of(run_python("support/trace_file.py", {"show", path})); }

// The changes are those of tests/support/trace_file.py.
void alter(const std::string& path, const std::string& to, const std::vector<std::string>& changes) {
  std::vector<std::string> args = {"alter", path, to};
  args.insert(args.end(), changes.begin(), changes.end());
  const Outcome outcome = run_python("support/trace_file.py", args);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
}

void expect_tensor(const json::object& seen, const std::string& name, const Shape& shape, int64_t n_token) {
  ASSERT_TRUE(seen.contains(name)) << name;
  EXPECT_EQ(seen.at(name).at("dtype").as_string(), shape.dtype) << name;
  EXPECT_EQ(seen.at(name).at("shape"), (json::array{n_token, shape.width})) << name;
}

// Our own reader finds the bytes that the package finds.
void expect_same_bytes(const json::object& seen, const trace::TraceFile& file) {
  for (const auto& [name, tensor] : seen) {
    const auto read = file.read(std::string(name));
    ASSERT_TRUE(read) << read.error().message;
    boost::crc_32_type crc;
    crc.process_bytes(read->f32.data(), read->f32.size() * sizeof(float));
    crc.process_bytes(read->ids.data(), read->ids.size() * sizeof(int32_t));
    EXPECT_EQ(crc.checksum(), tensor.at("crc32").to_number<uint32_t>()) << name;
  }
}

std::vector<float> golden_logits(const std::string& name) {
  std::ifstream file(TERCET_SOURCE_DIR "/contracts/data/demo/" + name + ".logits.f32", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> logits(bytes.size() / sizeof(float));
  std::memcpy(logits.data(), bytes.data(), logits.size() * sizeof(float));
  return logits;
}

void append_id(std::string& text, int64_t id) {
  if (!text.empty()) text += ',';
  text += std::to_string(id);
}

// n tokens of the text that the gates run.
std::string long_tokens(int n) {
  std::ifstream file(TERCET_SOURCE_DIR "/contracts/data/demo/long.ids");
  std::string text;
  for (int id = 0; n > 0 && file >> id; --n) append_id(text, id);
  EXPECT_EQ(n, 0);
  return text;
}

TEST(Trace, WritesEveryTapForTheSafetensorsPackage) {
  const TempDir dir;
  for (const std::string backend : {"cpu", "ref"}) {
    const std::string path = dir.file(backend);
    const Outcome outcome = run_trace(kThree, {"--backend", backend, "--exact", "--out", path});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("14 taps of 3 tokens by " + backend), std::string::npos) << outcome.err;

    const json::object seen = show(path);
    EXPECT_EQ(seen.at("metadata").as_object(),
              (json::object{{"model", "Demo MoE Coder 34M"}, {"backend", backend}, {"tokens", kThree}}));
    const json::object& tensors = seen.at("tensors").as_object();
    EXPECT_EQ(tensors.size(), 3U + 11 * kLayers);
    for (const auto& [tap, shape] : kTaps) {
      if (!shape.per_layer) expect_tensor(tensors, tap, shape, 3);
      for (int layer = 0; shape.per_layer && layer < kLayers; ++layer)
        expect_tensor(tensors, tap + "-" + std::to_string(layer), shape, 3);
    }
    const auto file = open_trace(path);
    expect_same_bytes(tensors, *file);
    const auto logits = file->read("result_output");
    const auto agreement = trace::measure(logits->f32, golden_logits("three"));
    ASSERT_TRUE(agreement) << agreement.error().message;
    EXPECT_LE(agreement->relative_l2, 1e-4) << "the exact mode, against Hugging Face";
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 2) << "a temporary file was left";
}

// A prompt of more rows than a step has. Rows do not depend on those after them.
TEST(Trace, RowsStandAtTheirPositions) {
  const TempDir dir;
  ASSERT_EQ(run_trace(long_tokens(66), {"--out", dir.file("short")}).exit_code, 0);
  ASSERT_EQ(run_trace(long_tokens(70), {"--out", dir.file("long")}).exit_code, 0);
  const auto shorter = open_trace(dir.file("short"));
  const auto longer = open_trace(dir.file("long"));
  for (const char* name : {"inp_embd", "Kcur-0", "ffn_moe_topk-3", "l_out-3", "result_output"}) {
    const auto wanted = shorter->read(name);
    const auto seen = longer->read_rows(name, 0, 66);
    ASSERT_TRUE(wanted && seen) << name;
    EXPECT_EQ(seen->f32, wanted->f32) << name;
    EXPECT_EQ(seen->ids, wanted->ids) << name;
    EXPECT_EQ(longer->read(name)->shape[0], 70) << name;
  }
}

TEST(Trace, LogitsAreThoseOfARunWithoutOne) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t"), "--taps", "result_output"}).exit_code, 0);
  const auto last = open_trace(dir.file("t"))->read_rows("result_output", 2, 1);
  ASSERT_TRUE(last) << last.error().message;
  backend::Output request;
  request.n_logprob = 20;
  backend::OutputResult wanted;
  backend::sample_row(last->f32, request, -1, wanted);

  const auto run =
      json_of(run_tercet({{"run", "--tokens", kThree, "-n", "1", "--temp", "0", "--logprobs", "20", "--json"}}));
  const json::array& top = run.at("logprobs").at(0).at("top").as_array();
  ASSERT_EQ(top.size(), wanted.top.size());
  for (size_t i = 0; i < top.size(); ++i) {
    EXPECT_EQ(top[i].at("token").as_int64(), wanted.top[i].token) << i;
    EXPECT_EQ(static_cast<float>(top[i].at("logprob").to_number<double>()), wanted.top[i].logprob) << i;
  }
}

TEST(Trace, TheTapsAreChosen) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t"), "--taps", "result_norm,Kcur,Kcur"}).exit_code, 0);
  const json::object seen = show(dir.file("t"));
  const json::object& tensors = seen.at("tensors").as_object();
  EXPECT_EQ(tensors.size(), 1U + kLayers);
  expect_tensor(tensors, "result_norm", kTaps.at("result_norm"), 3);
  for (int layer = 0; layer < kLayers; ++layer)
    expect_tensor(tensors, "Kcur-" + std::to_string(layer), kTaps.at("Kcur"), 3);
  expect_same_bytes(tensors, *open_trace(dir.file("t")));
}

TEST(Trace, ATextIsTokenised) {
  const TempDir dir;
  const std::string text = "def add(x, y):";
  ASSERT_EQ(run_tercet({{"trace", "--raw", "-p", text, "--out", dir.file("t"), "--taps", "inp_embd"}}).exit_code, 0);
  const json::object tokenized = json_of(run_tercet({{"tokenize", "-p", text, "--json"}}));
  std::string wanted;
  for (const json::value& id : tokenized.at("ids").as_array()) append_id(wanted, id.as_int64());
  EXPECT_EQ(show(dir.file("t")).at("metadata").at("tokens").as_string(), wanted);
}

TEST(Trace, AModelsNameThatIsNoUtf8StillMakesAFile) {
  const TempDir dir;
  write_edited_demo(dir.file("m.gguf"), {.set_string = {{"general.name", "caf\xe9"}}});
  ASSERT_EQ(run_trace("1", {"-m", dir.file("m.gguf"), "--taps", "inp_embd", "--out", dir.file("t")}).exit_code, 0);
  EXPECT_EQ(show(dir.file("t")).at("metadata").at("model").as_string(), "caf\xef\xbf\xbd");
  EXPECT_EQ(run_tercet({{"trace", "-m", dir.file("m.gguf"), "--compare", dir.file("t")}}).exit_code, 0);
}

// Exit code 2, nothing on stdout, and no file.
void expect_refused(const std::vector<std::string>& args, const std::string& part, const std::string& path) {
  Command command{{"trace", "--out", path}};
  command.args.insert(command.args.end(), args.begin(), args.end());
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_FALSE(fs::exists(path)) << part;
}

TEST(Trace, WhatIsWrongIsRefused) {
  const TempDir dir;
  const std::string out = dir.file("t");
  expect_refused({"--tokens", "1", "--taps", "l_out,l_in"}, "--taps: l_in, want some of inp_embd,attn_norm,", out);
  expect_refused({"--tokens", "1", "--taps", "l_out,,Kcur"}, "--taps: , want some of", out);
  expect_refused({"--tokens", "1,6144"}, "token id 6144: out of range, want 0..6143", out);
  expect_refused({"--tokens", "x"}, "--tokens: x, want token ids", out);
  expect_refused({"--tokens", "1", "--raw", "-p", "x"}, "both given", out);
  expect_refused({"-p", "x"}, "a text without --raw", out);
  expect_refused({"--raw", "-p", ""}, "no tokens, want at least one", out);
  expect_refused({"--tokens", "1", "--compare", dir.file("none")}, "none: ", out);
  expect_refused({"--tokens", "1", "--compare", demo_path()}, "want a safetensors file", out);
  std::string many = "1";
  for (int i = 0; i < 2048; ++i) many += ",1";
  expect_refused({"--tokens", many}, "prompt: 2049 tokens, want at most the context of 2048", out);
  const Outcome neither = run_trace("1", {});
  EXPECT_EQ(neither.exit_code, 2);
  EXPECT_NE(neither.err.find("neither --out nor --compare"), std::string::npos) << neither.err;
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 0);
}

TEST(Trace, ComparesWithARefTrace) {
  const TempDir dir;
  const std::string path = dir.file("ref");
  ASSERT_EQ(run_trace(kThree, {"--backend", "ref", "--out", path}).exit_code, 0);
  // Without a prompt: of the file's tokens.
  const auto same = json_of(run_tercet({{"trace", "--backend", "ref", "--compare", path, "--json"}}));
  EXPECT_EQ(same.at("bound").to_number<double>(), 0);
  EXPECT_TRUE(same.at("first_out_of_bound").is_null()) << "ref's bits do not change";
  EXPECT_EQ(same.at("taps").as_array().size(), 3U + 11 * kLayers);

  const auto exact = json_of(run_tercet({{"trace", "--exact", "--compare", path, "--json"}}));
  EXPECT_EQ(exact.at("bound").to_number<double>(), 1e-4);
  EXPECT_TRUE(exact.at("first_out_of_bound").is_null()) << json::serialize(exact);
  double worst = 0;
  for (const json::value& tap : exact.at("taps").as_array()) {
    EXPECT_TRUE(tap.at("within").as_bool());
    const std::string name = json::value_to<std::string>(tap.at("tap"));
    if (name.starts_with("ffn_moe_topk")) {
      EXPECT_EQ(tap.at("ids").as_int64(), 12) << name;
      EXPECT_EQ(tap.at("different_ids").as_int64(), 0) << name;
      continue;
    }
    EXPECT_GT(tap.at("cosine").to_number<double>(), 0.99999999) << name;
    EXPECT_GE(tap.at("largest_error").to_number<double>(), 0) << name;
    worst = std::max(worst, tap.at("relative_l2").to_number<double>());
  }
  EXPECT_GT(worst, 0) << "two backends never round alike everywhere";
  const auto tight = json_of(run_tercet({{"trace", "--exact", "--compare", path, "--bound", "0", "--json"}}));
  EXPECT_TRUE(tight.at("first_out_of_bound").is_string());
}

// A trace in the text that llama.cpp's eval-callback would print of it.
void print_like_llama(const std::string& trace, const std::string& to) {
  const Outcome printed = run_python("support/trace_file.py", {"print", trace, std::to_string(kLayers), "64"});
  ASSERT_EQ(printed.exit_code, 0) << printed.err;
  write_file(to, "0.00.021.131 I llama_context: n_ctx = 512\n" + printed.out +
                     "\nllama_perf_context_print: load time = 1 ms\n");
}

TEST(Trace, ComparesWithWhatLlamaCppPrints) {
  const TempDir dir;
  const std::string nine = long_tokens(9);  // more than the six that are shown
  ASSERT_EQ(run_trace(nine, {"--out", dir.file("t")}).exit_code, 0);
  print_like_llama(dir.file("t"), dir.file("theirs.txt"));
  // Of the tokens that it prints; what was computed prints alike.
  const Outcome same = run_tercet({{"trace", "--compare", dir.file("theirs.txt"), "--bound", "0", "--json"}});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  const json::object seen = json_of(same);
  EXPECT_TRUE(seen.at("first_out_of_bound").is_null()) << same.out;
  EXPECT_EQ(seen.at("taps").as_array().size(), 3U + 11 * kLayers);
  std::map<std::string, int64_t> compared;
  for (const json::value& tap : seen.at("taps").as_array())
    compared[json::value_to<std::string>(tap.at("tap"))] = tap.at("compared").as_int64();
  EXPECT_EQ(compared["attn_norm-0"], 36) << "six tokens' six values";
  EXPECT_EQ(compared["Qcur-1"], 216) << "of six heads";
  EXPECT_EQ(compared["Kcur-1"], 72) << "two heads";
  EXPECT_EQ(compared["ffn_moe_topk-0"], 24);
  EXPECT_EQ(compared["l_out-" + std::to_string(kLayers - 1)], 6) << "the last token alone";
  EXPECT_EQ(compared["result_output"], 6);

  // Theirs is another pass from layer 2 on. Without --bound it is that of another program's arithmetic.
  alter(dir.file("t"), dir.file("new"), {"ffn_inp-2=1.5", "ffn_moe_topk-2=1", "attn_norm-3=1.5"});
  print_like_llama(dir.file("new"), dir.file("other.txt"));
  const Outcome other = run_tercet({{"trace", "--compare", dir.file("other.txt")}});
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_NE(other.out.find("the first tap beyond a relative L2 of 0.2 is ffn_inp-2\n"), std::string::npos) << other.out;
  EXPECT_NE(other.out.find("  of 36 values\n"), std::string::npos) << other.out;
  EXPECT_NE(other.out.find("4 of 24 ids differ"), std::string::npos) << other.out;
}

TEST(Trace, WhatLlamaCppDoesNotPrintIsRefused) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t")}).exit_code, 0);
  print_like_llama(dir.file("t"), dir.file("theirs.txt"));
  std::ifstream file(dir.file("theirs.txt"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto expect = [&](const std::string& content, const std::vector<std::string>& more, const std::string& part) {
    write_file(dir.file("x.txt"), content);
    std::vector<std::string> args = {"trace", "--compare", dir.file("x.txt")};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome outcome = run_tercet({args});
    EXPECT_EQ(outcome.exit_code, part.empty() ? 0 : 2) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out.empty(), !part.empty()) << outcome.out;
  };
  for (const std::string& garbage :
       {std::string("not a trace of anything\n"), std::string(100, '\0'), std::string("[\n[ 1.0 ]\n")})
    expect(garbage, {}, "want a safetensors file, or what llama.cpp's eval-callback prints");
  expect(text, {"--tokens", "785,921"}, "a trace of other tokens");
  // Older versions do not print the ids.
  const std::string older = text.substr(text.find("common_debug"));
  expect(older, {}, "x.txt: does not say its tokens, want them by --tokens");
  expect(older, {"--tokens", kThree}, "");
  expect(older, {"--tokens", "785,921"}, ", want 2 or 1 rows of 512");
  std::string broken = text;
  broken.replace(broken.find("]\n    sum"), 1, "oh");
  expect(broken, {}, ": 'oh', want '['");
  expect(text.substr(0, text.find("sum") - 20), {}, "the end of the file, want its closing brackets");
  // Of another model.
  write_edited_demo(dir.file("m.gguf"), {.set_string = {{"general.name", "another"}}});
  expect(text, {"-m", dir.file("m.gguf")}, "");
}

// The lines of the text, by their first word.
std::map<std::string, std::string> lines_of(const std::string& text) {
  std::map<std::string, std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines[line.substr(0, line.find(' '))] = line;
  return lines;
}

TEST(Trace, NamesTheFirstTapThatLeavesItsBound) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t")}).exit_code, 0);
  const Outcome same = run_tercet({{"trace", "--compare", dir.file("t")}});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_NE(same.out.find("every tap is within a relative L2 of 0.01\n"), std::string::npos) << same.out;
  EXPECT_EQ(same.out.find("out of bound"), std::string::npos) << same.out;

  // The first in the order of the forward pass, which is neither the file's nor the alphabet's.
  alter(dir.file("t"), dir.file("new"), {"attn_norm-3=1.5", "ffn_inp-2=1.5", "ffn_moe_topk-3=1", "Vcur-0=1.001"});
  const Outcome text = run_tercet({{"trace", "--compare", dir.file("new")}});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("the first tap beyond a relative L2 of 0.01 is ffn_inp-2\n"), std::string::npos) << text.out;
  auto lines = lines_of(text.out);
  for (const char* name : {"ffn_inp-2", "attn_norm-3", "ffn_moe_topk-3"})
    EXPECT_TRUE(lines[name].ends_with("  out of bound")) << lines[name];
  for (const char* part : {"cosine 0.9", "relative L2 ", "largest "})
    EXPECT_NE(lines["ffn_inp-2"].find(part), std::string::npos) << lines["ffn_inp-2"];
  EXPECT_NE(lines["ffn_moe_topk-3"].find("4 of 12 ids differ"), std::string::npos) << lines["ffn_moe_topk-3"];
  EXPECT_NE(lines["Vcur-1"].find("cosine 1.000000000  relative L2 0.000e+00  largest 0.000e+00"), std::string::npos)
      << lines["Vcur-1"];

  const std::vector<std::string> args = {"trace", "--compare", dir.file("new"), "--json"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), args.begin(), args.end());
    return json_of(run_tercet({more}));
  };
  EXPECT_EQ(with({}).at("first_out_of_bound").as_string(), "ffn_inp-2");
  EXPECT_EQ(with({"--bound", "1e-5"}).at("first_out_of_bound").as_string(), "Vcur-0");
  const auto chosen = with({"--taps", "attn_norm"});
  EXPECT_EQ(chosen.at("first_out_of_bound").as_string(), "attn_norm-3");
  EXPECT_EQ(chosen.at("taps").as_array().size(), size_t{kLayers});
}

TEST(Trace, WritesAndComparesInOneRun) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t")}).exit_code, 0);
  const json::object before = show(dir.file("t"));
  const Outcome outcome = run_tercet({{"trace", "--compare", dir.file("t"), "--out", dir.file("t"), "--bound", "0"}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("every tap is within"), std::string::npos) << outcome.out;
  EXPECT_EQ(show(dir.file("t")), before);
}

TEST(Trace, AnotherRunsTraceIsRefused) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t")}).exit_code, 0);
  const auto expect = [&](const std::vector<std::string>& args, const std::string& part) {
    const Outcome outcome = run_tercet({args});
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  };
  expect({"trace", "--tokens", "785,921", "--compare", dir.file("t")}, "a trace of other tokens");
  alter(dir.file("t"), dir.file("other"), {"@model=another"});
  expect({"trace", "--compare", dir.file("other")}, "a trace of model 'another', want 'Demo MoE Coder 34M'");
  alter(dir.file("t"), dir.file("bad"), {"@tokens=1,x"});
  expect({"trace", "--compare", dir.file("bad")}, "metadata 'tokens' is not a list of ids");
}

TEST(Trace, AnOutputThatCannotBeWrittenIsAFailure) {
  const TempDir dir;
  for (const std::string& path : {dir.file("no/such/t"), std::string("/dev/full"), dir.path()}) {
    const Outcome outcome = run_trace(kThree, {"--out", path});
    EXPECT_EQ(outcome.exit_code, 1) << path;
    EXPECT_NE(outcome.err.find("tercet: error: " + path + ": "), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 0);

  // No more room after the header and some of the taps: what stood there stays, and nothing else does.
  write_file(dir.file("t"), "what was there before");
  const Outcome outcome =
      run_tercet({.args = {"trace", "--tokens", kThree, "--out", dir.file("t")}, .most_file_bytes = 65536});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("tercet: error: " + dir.file("t") + ": File too large"), std::string::npos) << outcome.err;
  std::ifstream file(dir.file("t"));
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(file), {}}), "what was there before");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), {}), 1);
}

TEST(Trace, CtrlCLeavesNoFile) {
  const TempDir dir;
  // By ref the whole context takes seconds, and the file is there before the first step.
  const Command command{{"trace", "--tokens", long_tokens(2048), "--backend", "ref", "--threads", "1", "--taps",
                         "inp_embd", "--out", dir.file("t")}};
  const Outcome outcome = interrupt_at_a_file(command, dir.path());
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("tercet: error: trace: interrupted at "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(" of 2048 tokens, want a whole trace\n"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(fs::is_empty(dir.path())) << "a temporary file was left";
}

TEST(Trace, AComparisonThatCannotBePrintedIsAFailure) {
  const TempDir dir;
  ASSERT_EQ(run_trace(kThree, {"--out", dir.file("t")}).exit_code, 0);
  const Outcome outcome = run_tercet({.args = {"trace", "--compare", dir.file("t")}, .stdout_path = "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("tercet: error: stdout: No space left on device"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tercet::tests
