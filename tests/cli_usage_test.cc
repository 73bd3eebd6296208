// The command line itself: help, options, the environment, and the form of errors.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "cli_test.h"

namespace tercet::tests {
namespace {

// Exit code 2 and `tercet: error: MESSAGE`, with nothing on stdout.
void expect_refused(const Command& command, const std::string& message) {
  const Outcome outcome = run_tercet(command);
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(outcome.err.starts_with("tercet: error: " + message)) << outcome.err;
}

TEST(Usage, HelpIsOnStdout) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--help"}, {"-h"}, {"run", "--help"}, {"inspect", "-h"}, {"tokenize", "--help"}, {"devices", "--help"}}) {
    const Outcome outcome = run_tercet({words});
    EXPECT_EQ(outcome.exit_code, 0) << words[0];
    EXPECT_EQ(outcome.err, "");
    EXPECT_NE(outcome.out.find("Usage: tercet "), std::string::npos) << outcome.out;
  }
  EXPECT_NE(run_tercet({{"run", "--help"}}).out.find("--ignore-eos"), std::string::npos);
}

TEST(Usage, Version) {
  const Outcome outcome = run_tercet({{"--version"}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.out.starts_with("tercet ")) << outcome.out;
}

TEST(Usage, AWrongVerbIsRefused) {
  expect_refused({{}}, "no verb, want one of run, ");
  expect_refused({{"rum"}}, "verb: rum, want one of run, ");
  expect_refused({{"--quiet", "run"}}, "verb: --quiet, want one of run, ");
}

TEST(Usage, WrongOptionsAreRefused) {
  expect_refused({{"run", "-p", "x", "--threads", "-1"}}, "--threads: -1, want a whole number, 1..");
  expect_refused({{"run", "-p", "x", "--threads=0"}}, "--threads: 0, want ");
  expect_refused({{"run", "-p", "x", "-n", "x"}}, "-n: x, want a whole number, 0..");
  expect_refused({{"run", "-p", "x", "-n", "99999999999999999999"}}, "-n: 99999999999999999999, want ");
  expect_refused({{"run", "-p", "x", "--max-tokens", "1.5"}}, "--max-tokens: 1.5, want ");
  expect_refused({{"run", "-p", "x", "--temp", "nan"}}, "--temp: nan, want a number, ");
  expect_refused({{"run", "-p", "x", "--temp", "-0.1"}}, "--temp: -0.1, want a number, ");
  expect_refused({{"run", "-p", "x", "--top-p", "1.01"}}, "--top-p: 1.01, want a number, 0..1");
  expect_refused({{"run", "-p", "x", "--seed", "-4"}}, "--seed: -4, want ");
  expect_refused({{"run", "-p", "x", "--backend", "vulkan"}}, "--backend: vulkan, want one of auto, cpu, ");
  expect_refused({{"run", "-p", "x", "--threads"}}, "--threads: no value, want one");
  expect_refused({{"run", "-p", "x", "more"}}, "more: a word too many");
  expect_refused({{"run", "-p", "x", "--precision", "fast", "--exact"}}, "--exact and --precision fast: both given");
}

TEST(Usage, AMisspelledOptionIsNamed) {
  const Outcome outcome = run_tercet({{"run", "--ignore-eof"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "tercet: error: --ignore-eof: no such option, want one that `tercet run --help` lists\n"
            "hint: did you mean --ignore-eos?\n");
}

TEST(Usage, OneDashAndSeveralLettersAreRefused) {
  expect_refused({{"run", "-p", "x", "-ngl", "99"}}, "-ngl: a single dash with several letters, want --NAME");
  expect_refused({{"run", "-hf", "Qwen/Qwen3"}}, "-hf: a single dash with several letters");
  expect_refused({{"run", "-nx"}}, "-nx: a single dash with several letters");
  // A value may look like anything.
  EXPECT_EQ(run_tercet({{"tokenize", "-p", "-ngl"}}).exit_code, 0);
  EXPECT_EQ(run_tercet({{"tokenize", "--prompt", "--help"}}).exit_code, 0);
}

TEST(Usage, ErrorsAreJsonWithJson) {
  const Outcome outcome = run_tercet({{"run", "-p", "x", "--threads", "-1", "--json"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_TRUE(outcome.err.starts_with("tercet: error: --threads: -1")) << outcome.err;
  const auto what = json_of(outcome).at("error").as_object();
  EXPECT_EQ(what.at("code").as_string(), "invalid_argument");
  EXPECT_TRUE(what.at("message").as_string().starts_with("--threads: -1, want"));
}

TEST(Usage, TheEnvironmentSetsOptionsAndAFlagWins) {
  const Command command{{"tokenize", "-p", "<|im_end|>", "--json"}, "", {"TERCET_NO_SPECIAL=1"}};
  EXPECT_GT(json_of(run_tercet(command)).at("ids").as_array().size(), 1U);
  EXPECT_EQ(json_of(run_tercet({{"tokenize"}, "", {"TERCET_JSON=1", "TERCET_PROMPT=a"}})).at("ids").as_array().size(),
            1U);

  expect_refused({{"run", "-p", "x"}, "", {"TERCET_THREADS=many"}}, "TERCET_THREADS: many, want a whole number, 1..");
  expect_refused({{"run", "-p", "x"}, "", {"TERCET_QUIET=perhaps"}}, "TERCET_QUIET: perhaps, want 1 or 0");
  EXPECT_EQ(run_tercet({{"tokenize", "-p", "x", "--threads", "1"}, "", {"TERCET_THREADS=many"}}).exit_code, 0);
  // -p on the command line against a file in the environment.
  EXPECT_EQ(run_tercet({{"tokenize", "-p", "x"}, "", {"TERCET_FILE=/nowhere"}}).exit_code, 0);
  EXPECT_EQ(run_tercet({{"tokenize", "-p", "x"}, "", {"TERCET_MODEL=/nowhere"}}).exit_code, 2);
}

TEST(Usage, ColourIsAsAsked) {
  EXPECT_EQ(run_tercet({{"run", "-q"}}).err.find('\x1b'), std::string::npos);
  EXPECT_NE(run_tercet({{"run", "-p", "", "--color", "always"}}).err.find('\x1b'), std::string::npos);
}

TEST(Usage, AnOutputThatCannotBeWrittenIsAFailure) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--help"}, {"run", "--help"}, {"inspect"}, {"tokenize", "-p", "x"}, {"devices"}, {"inspect", "--json"}}) {
    const Outcome outcome = run_tercet({.args = words, .stdout_path = "/dev/full"});
    EXPECT_EQ(outcome.exit_code, 1) << words[0];
    EXPECT_TRUE(outcome.err.starts_with("tercet: error: stdout: No space left on device")) << outcome.err;
  }
  const Outcome closed = run_with_closed_stdout({{"inspect"}});
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_TRUE(closed.err.starts_with("tercet: error: stdout: Broken pipe")) << closed.err;
}

}  // namespace
}  // namespace tercet::tests
