// What the verbs answer: `run` against Hugging Face's greedy texts, its options, `tokenize`, `inspect`, `devices`.
#include <gtest/gtest.h>
#include <signal.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "base/sanitized.h"
#include "cli_test.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

json::object golden_cases() {
  std::ifstream file(TERCET_SOURCE_DIR "/contracts/data/demo/reference.json", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return json::parse(text).at("cases").as_object();
}

std::string ids_text(const json::value& ids) {
  std::string text;
  for (const json::value& id : ids.as_array()) {
    if (!text.empty()) text += ',';
    text += std::to_string(id.as_int64());
  }
  return text;
}

// Greedy, all 48 tokens, end tokens among them; the prompt as text where the case has one.
Command golden_command(const json::value& golden, const std::vector<std::string>& backend) {
  Command command{{"run", "-n", "48", "--temp", "0", "--repeat-penalty", "1", "--ignore-eos", "--quiet"}};
  command.args.insert(command.args.end(), backend.begin(), backend.end());
  if (golden.at("prompt").is_string()) {
    command.args.insert(command.args.end(), {"--raw", "-p", json::value_to<std::string>(golden.at("prompt"))});
  } else {
    command.args.insert(command.args.end(), {"--tokens", ids_text(golden.at("ids"))});
  }
  return command;
}

TEST(Run, FollowsTheGreedyTextsOfTheDemo) {
  int n_done = 0;
  for (const auto& [name, golden] : golden_cases()) {
    const Outcome outcome = run_tercet(golden_command(golden, {"--backend", "cpu", "--exact"}));
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.out, json::value_to<std::string>(golden.at("greedy_text"))) << name;
    EXPECT_EQ(outcome.err, "") << "--quiet";
    if (kSanitized && ++n_done == 2) break;
  }
}

TEST(Run, FollowsTheGreedyTextByRef) {
  const json::object cases = golden_cases();
  const json::value& golden = cases.at("three");
  const Command command = golden_command(golden, {"--backend", "ref", "--json"});
  const auto object = json_of(run_tercet(command));
  EXPECT_EQ(object.at("tokens"), golden.at("greedy_ids"));
  EXPECT_EQ(object.at("text"), golden.at("greedy_text"));
  EXPECT_EQ(object.at("backend").as_string(), "ref");
}

TEST(Run, JsonHasThePromisedKeys) {
  const auto object = json_of(run_tercet({{"run", "--tokens", "785,921,308", "-n", "4", "--temp", "0", "--json"}}));
  EXPECT_TRUE(object.at("text").is_string());
  EXPECT_EQ(object.at("tokens").as_array().size(), 4U);
  EXPECT_EQ(object.at("finish_reason").as_string(), "length");
  EXPECT_EQ(object.at("usage").at("prompt_tokens").as_int64(), 3);
  EXPECT_EQ(object.at("usage").at("completion_tokens").as_int64(), 4);
  for (const char* key : {"load_ms", "prompt_ms", "first_token_ms", "decode_ms", "prompt_tok_s", "decode_tok_s"})
    EXPECT_GT(object.at("timings").at(key).to_number<double>(), 0) << key;
  EXPECT_EQ(object.at("backend").as_string(), "cpu");
  EXPECT_FALSE(object.at("device").as_string().empty());
  EXPECT_EQ(object.at("model").as_string(), "Demo MoE Coder 34M");
  EXPECT_FALSE(object.contains("logprobs"));
}

TEST(Run, LogprobsGiveTheMostProbableTokens) {
  const auto object =
      json_of(run_tercet({{"run", "--tokens", "785,921,308", "-n", "3", "--temp", "0", "--logprobs", "2", "--json"}}));
  const json::array& lines = object.at("logprobs").as_array();
  ASSERT_EQ(lines.size(), 3U);
  for (size_t i = 0; i < lines.size(); ++i) {
    const json::array& top = lines[i].at("top").as_array();
    ASSERT_EQ(top.size(), 2U);
    EXPECT_EQ(lines[i].at("token"), object.at("tokens").at(i));
    EXPECT_EQ(top[0].at("token"), lines[i].at("token"));  // greedy
    EXPECT_LE(top[0].at("logprob").to_number<double>(), 0);
    EXPECT_GE(top[0].at("logprob").to_number<double>(), top[1].at("logprob").to_number<double>());
  }
}

TEST(Run, TheSameSeedGivesTheSameTextOnAnyNumberOfThreads) {
  const auto answer = [](const std::string& seed, const std::string& n_thread) {
    return run_tercet({{"run", "-p", "Write a loop.", "-n", "24", "--temp", "1.5", "--seed", seed, "--threads",
                        n_thread, "--ignore-eos", "--quiet"}})
        .out;
  };
  const std::string text = answer("7", "1");
  EXPECT_EQ(answer("7", "2"), text);
  EXPECT_NE(answer("8", "1"), text);
}

TEST(Run, WithoutASeedOneIsDrawnAndShown) {
  const auto object =
      json_of(run_tercet({{"run", "-p", "Write a loop.", "-n", "16", "--temp", "1.5", "--ignore-eos", "--json"}}));
  EXPECT_EQ(object.at("sampling").at("seed").at("from").as_string(), "random");
  const std::string seed = json::serialize(object.at("seed"));
  const auto again = json_of(run_tercet(
      {{"run", "-p", "Write a loop.", "-n", "16", "--temp", "1.5", "--ignore-eos", "--json", "--seed", seed}}));
  EXPECT_EQ(again.at("text"), object.at("text"));
  EXPECT_EQ(again.at("sampling").at("temperature").at("from").as_string(), "request");
  EXPECT_EQ(again.at("sampling").at("top_k").at("from").as_string(), "program");
}

TEST(Run, StopTextsEndTheAnswerAndAreNoPartOfIt) {
  const json::object cases = golden_cases();
  const std::string text = json::value_to<std::string>(cases.at("code").at("greedy_text"));
  Command command = golden_command(cases.at("code"), {"--exact", "--json"});
  // Across the border of two tokens; and one that never comes.
  command.args.insert(command.args.end(), {"--stop", "return 1 <", "--stop", "[never,ever]"});
  const auto object = json_of(run_tercet(command));
  EXPECT_EQ(json::value_to<std::string>(object.at("text")), text.substr(0, text.find("return 1 <")));
  EXPECT_EQ(object.at("finish_reason").as_string(), "stop");
  EXPECT_EQ(object.at("stop_string").as_string(), "return 1 <");
}

TEST(Run, AnEndTokenEndsTheAnswerAndIsNotPrinted) {
  const json::object cases = golden_cases();
  const std::string text = json::value_to<std::string>(cases.at("code").at("greedy_text"));
  Command command = golden_command(cases.at("code"), {"--exact", "--json"});
  std::erase(command.args, "--ignore-eos");
  const auto object = json_of(run_tercet(command));
  EXPECT_EQ(json::value_to<std::string>(object.at("text")), text.substr(0, text.find("<|im_end|>")));
  EXPECT_EQ(object.at("finish_reason").as_string(), "stop");
  EXPECT_EQ(object.at("stop_token").as_int64(), 6131);
}

TEST(Run, TheChatTemplateIsApplied) {
  const Command chat{{"run", "-n", "4", "--temp", "0", "--json", "-p", "Hi"}};
  const Command raw{{"run", "-n", "4", "--temp", "0", "--json", "--raw", "-p",
                     "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"}};
  const auto a = json_of(run_tercet(chat));
  const auto b = json_of(run_tercet(raw));
  EXPECT_EQ(a.at("usage"), b.at("usage"));
  EXPECT_EQ(a.at("tokens"), b.at("tokens"));
  Command system = chat;
  system.args.insert(system.args.end(), {"--system", "Be brief."});
  EXPECT_GT(json_of(run_tercet(system)).at("usage").at("prompt_tokens").as_int64(),
            a.at("usage").at("prompt_tokens").as_int64());
}

TEST(Run, ThePromptComesFromAFileOrStdinAlike) {
  const TempDir dir;
  const std::string text = "def add(x, y):\n";
  write_file(dir.file("prompt.txt"), text);
  const std::vector<std::string> base = {"run", "--raw", "-n", "4", "--temp", "0", "--quiet"};
  const auto with = [&](std::vector<std::string> more, const std::string& input) {
    std::vector<std::string> words = base;
    words.insert(words.end(), more.begin(), more.end());
    return run_tercet({words, input}).out;
  };
  const std::string answer = with({"-p", text}, "");
  EXPECT_FALSE(answer.empty());
  EXPECT_EQ(with({"-f", dir.file("prompt.txt")}, ""), answer);
  EXPECT_EQ(with({}, text), answer);
  EXPECT_EQ(with({"-f", "-"}, text), answer);
}

TEST(Run, SaysOnStderrWhatWasChosenAndHowFastItWas) {
  const Outcome outcome = run_tercet({{"run", "-p", "Hi", "-n", "2", "--seed", "3", "--stats"}});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* part : {"tercet: backend ", "context: ", "prompt tokens, ", "tok/s", "first token after",
                           "temperature", "top_k", "request", "program", "finished: length"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << "\n" << outcome.err;
}

TEST(Run, ProgressIsForTerminalsOnly) {
  if (!can_make_terminal()) GTEST_SKIP() << "this system gives no pseudo-terminals";
  std::string text;
  for (int i = 0; i < 560; ++i) text += "word ";
  const Command command{{"run", "--raw", "-n", "1", "--backend", "cpu"}, text};  // whose steps have 512 rows
  EXPECT_NE(run_on_terminal(command).err.find("prompt: 512 of "), std::string::npos);
  Command without = command;
  without.env = {"NO_PROGRESS=1"};
  EXPECT_EQ(run_on_terminal(without).err.find("prompt: 512 of "), std::string::npos);
  Command quiet = command;
  quiet.args.emplace_back("--quiet");
  EXPECT_EQ(run_on_terminal(quiet).err, "");
  EXPECT_EQ(run_tercet(command).err.find('\r'), std::string::npos);
}

TEST(Run, OneCtrlCEndsTheAnswerCleanly) {
  // More text than the pipe holds, so that the program cannot be done before the signal comes.
  const Outcome outcome = interrupt_tercet(
      {{"run", "--tokens", "785,921,308", "-n", "2000", "--temp", "0", "--ignore-eos", "--stats"}}, SIGINT);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(outcome.out.empty());
  EXPECT_NE(outcome.err.find("finished: cancelled"), std::string::npos) << outcome.err;
}

TEST(Run, TheSecondCtrlCEndsTheProgram) {
  const Command command{{"run", "--tokens", "785,921,308", "-n", "2000", "--temp", "0", "--ignore-eos", "--backend",
                         "cpu", "--ctx", "2048"}};
  EXPECT_EQ(interrupt_tercet_twice(command), 128 + SIGINT);
}

TEST(Run, AnOutputThatCannotBeWrittenEndsIt) {
  const Command command{.args = {"run", "--tokens", "785,921,308", "-n", "8", "--temp", "0"},
                        .stdout_path = "/dev/full"};
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("tercet: error: stdout: No space left on device"), std::string::npos) << outcome.err;
  EXPECT_EQ(run_with_closed_stdout({command.args}).exit_code, 1);
}

TEST(Tokenize, GivesAnyBytesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  bytes += "<|im_end|>na\xc3\xafve \xf0\x9f\x99\x82\xf0\x9f\n\n";
  const auto object = json_of(run_tercet({{"tokenize", "--json"}, bytes}));
  const json::array& ids = object.at("ids").as_array();
  EXPECT_EQ(object.at("pieces").as_array().size(), ids.size());
  Command decode{{"tokenize", "--decode"}};
  for (const json::value& id : ids) decode.args.push_back(std::to_string(id.as_int64()));
  EXPECT_EQ(run_tercet(decode).out, bytes);
}

TEST(Tokenize, GivesIdsAndPieces) {
  EXPECT_EQ(run_tercet({{"tokenize", "-p", " the"}}).out,
            std::to_string(json_of(run_tercet({{"tokenize", "-p", " the", "--json"}})).at("ids").at(0).as_int64()) +
                "\t\u0120the\n");
  const auto special = json_of(run_tercet({{"tokenize", "-p", "<|im_end|>", "--json"}}));
  EXPECT_EQ(json::serialize(special), R"({"ids":[6131],"pieces":["<|im_end|>"]})");
  EXPECT_EQ(json::serialize(json_of(run_tercet({{"tokenize", "--json"}}))), R"({"ids":[],"pieces":[]})");
  const Outcome outcome = run_tercet({{"tokenize", "--decode", "6144"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("6144"), std::string::npos) << outcome.err;
}

TEST(Inspect, SaysWhatTheDemoIs) {
  const auto object = json_of(run_tercet({{"inspect", demo_path(), "--json", "--metadata", "--tensors"}}));
  EXPECT_EQ(object.at("architecture").as_string(), "qwen3moe");
  EXPECT_EQ(object.at("n_tensor").to_number<int>(), 51);
  EXPECT_EQ(object.at("tensors").as_array().size(), 51U);
  EXPECT_EQ(object.at("metadata").as_array().size(), object.at("n_key").to_number<size_t>());
  EXPECT_EQ(object.at("config").at("n_expert").as_int64(), 16);
  EXPECT_TRUE(object.at("runnable").as_bool());
  EXPECT_EQ(object.at("types").at("Q6_K").at("bytes").to_number<int64_t>(), 6'128'640);
  EXPECT_LT(object.at("bytes_per_token").as_int64(), object.at("tensor_bytes").to_number<int64_t>());
  const json::array& fits = object.at("fits").as_array();
  ASSERT_FALSE(fits.empty());
  for (const json::value& fit : fits)
    if (fit.at("backend").as_string() == "cpu") {
      EXPECT_EQ(fit.at("n_ctx").as_int64(), 2048);
      EXPECT_EQ(fit.at("bytes").as_int64(), fit.at("weight_bytes").as_int64() + fit.at("kv_bytes").as_int64() +
                                                fit.at("workspace_bytes").as_int64());
    }
  const Outcome text = run_tercet({{"inspect", "--metadata"}});  // the demo, unless a file is named
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("tokenizer.ggml.tokens"), std::string::npos);
  EXPECT_LT(text.out.size(), 20'000U) << "arrays are shortened";
}

TEST(Devices, SaysWhatAutoPicks) {
  Command command{{"devices", "--json"}};
  command.env = {"CUDA_VISIBLE_DEVICES=-1"};  // so that the answer is the same on every machine
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto object = json_of(outcome);
  EXPECT_EQ(object.at("auto").as_string(), "cpu");
  EXPECT_EQ(object.at("model").as_string(), "Demo MoE Coder 34M");
  EXPECT_GT(object.at("cpu").at("read_bytes_s").to_number<double>(), 1e8);
  EXPECT_FALSE(object.at("cpu").at("kernels").as_array().empty());
  std::vector<std::string> names;
  for (const json::value& entry : object.at("backends").as_array()) {
    names.push_back(json::value_to<std::string>(entry.at("backend")));
    EXPECT_FALSE(entry.at("why").as_string().empty());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"cuda", "wgpu", "cpu", "ref"}));
  const Outcome text = run_tercet({{"devices"}});
  EXPECT_NE(text.out.find("--backend auto"), std::string::npos);
  EXPECT_NE(text.out.find("Demo MoE Coder 34M: fits, with 2048 tokens of context: "), std::string::npos) << text.out;
}

TEST(Devices, AreAskedAboutTheModelThatIsNamed) {
  const Outcome outcome = run_tercet({{"devices", "-m", "/nowhere.gguf"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("/nowhere.gguf: no such file"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tercet::tests
