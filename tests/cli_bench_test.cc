// `bench`: what it says, never how fast it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "cli_test.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

struct Row {
  std::string test;
  int64_t n_prompt, n_decode, n_depth, n_sequence;
};

// The keys and types of one result; the values that do not depend on the machine.
void expect_row(const json::value& row, const Row& wanted, size_t n_repeat) {
  SCOPED_TRACE(wanted.test);
  EXPECT_EQ(row.at("test").as_string(), wanted.test);
  EXPECT_EQ(row.at("n_prompt").as_int64(), wanted.n_prompt);
  EXPECT_EQ(row.at("n_decode").as_int64(), wanted.n_decode);
  EXPECT_EQ(row.at("n_depth").as_int64(), wanted.n_depth);
  EXPECT_EQ(row.at("n_sequence").as_int64(), wanted.n_sequence);
  const json::array& all = row.at("tok_s_all").as_array();
  EXPECT_EQ(all.size(), n_repeat);
  double least = HUGE_VAL;
  double most = 0;
  for (const json::value& x : all) {
    EXPECT_GT(x.as_double(), 0);
    least = std::min(least, x.as_double());
    most = std::max(most, x.as_double());
  }
  const double median = row.at("tok_s").as_double();
  EXPECT_GE(median, least);
  EXPECT_LE(median, most);
  EXPECT_NEAR(row.at("spread").as_double(), (most - least) / median, 1e-9);
  const bool is_decode = wanted.n_decode > 0;
  for (const char* key : {"bytes_a_step", "bandwidth_share", "distinct_experts"}) {
    EXPECT_EQ(row.as_object().contains(key), is_decode) << key;
    if (is_decode) {
      EXPECT_GT(row.at(key).to_number<double>(), 0) << key;
    }
  }
}

void expect_rows(const json::object& report, const std::vector<Row>& wanted, size_t n_repeat) {
  const json::array& rows = report.at("results").as_array();
  ASSERT_EQ(rows.size(), wanted.size()) << json::serialize(report);
  for (size_t i = 0; i < rows.size(); ++i) expect_row(rows[i], wanted[i], n_repeat);
}

TEST(Bench, JsonHasThePromisedKeys) {
  const Outcome outcome = run_tercet({{"bench", "--json", "-p", "0,5,70", "-n", "3", "-r", "3"}});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json::object report = json_of(outcome);
  EXPECT_EQ(report.at("model").as_string(), "Demo MoE Coder 34M");
  EXPECT_EQ(report.at("backend").as_string(), "cpu");
  EXPECT_EQ(report.at("precision").as_string(), "high");
  EXPECT_FALSE(report.at("device").as_string().empty());
  EXPECT_GT(report.at("load_ms").as_double(), 0);
  EXPECT_GT(report.at("read_bytes_s").as_double(), 0);
  expect_rows(report, {{"pp5", 5, 0, 0, 1}, {"pp70", 70, 0, 0, 1}, {"tg3", 0, 3, 0, 1}}, 3);
  // One sequence takes as many experts as the model uses.
  EXPECT_EQ(report.at("results").at(2).at("distinct_experts").to_number<double>(), 4);
}

TEST(Bench, ManySequencesAndADepth) {
  const json::object report = json_of(run_tercet({{"bench", "--json", "-p", "4", "-n", "3", "-r", "2", "-b", "1,3",
                                                   "-d", "0,70", "--rows", "33", "--precision", "fast"}}));
  EXPECT_EQ(report.at("precision").as_string(), "fast");
  expect_rows(report,
              {{"pp4", 4, 0, 0, 1},
               {"tg3", 0, 3, 0, 1},
               {"tg3 x3", 0, 3, 0, 3},
               {"pp4 @ d70", 4, 0, 70, 1},
               {"tg3 @ d70", 0, 3, 70, 1},
               {"tg3 x3 @ d70", 0, 3, 70, 3}},
              2);
  const auto figure = [&](size_t i, const char* key) { return report.at("results").at(i).at(key).to_number<double>(); };
  EXPECT_EQ(figure(1, "distinct_experts"), 4);
  EXPECT_GT(figure(2, "distinct_experts"), 4) << "three prompts that differ";
  EXPECT_LE(figure(2, "distinct_experts"), 12);
  EXPECT_GT(figure(2, "bytes_a_step"), figure(1, "bytes_a_step")) << "more experts";
  // 70 more tokens of keys and values: 4 layers of 2 x 128 in f16.
  EXPECT_EQ(figure(4, "bytes_a_step") - figure(1, "bytes_a_step"), 70 * 4 * 2 * 128 * 2);
}

TEST(Bench, MakesWeightsInMemory) {
  const json::object report =
      json_of(run_tercet({{"bench", "--json", "--synthetic", "tiny", "-p", "3", "-n", "2", "-r", "1"}}));
  EXPECT_EQ(report.at("model").as_string(), "synthetic-qwen3moe-tiny");
  expect_rows(report, {{"pp3", 3, 0, 0, 1}, {"tg2", 0, 2, 0, 1}}, 1);
  EXPECT_EQ(report.at("results").at(1).at("distinct_experts").to_number<double>(), 2);
}

TEST(Bench, TheTextHasALineForEach) {
  const Outcome outcome = run_tercet({{"bench", "-p", "4", "-n", "2", "-b", "2", "-r", "1", "--backend", "ref"}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* part : {"Demo MoE Coder 34M, ref, ", "memory reads ", "tok/s", "\npp4 ", "\ntg2 x2 "})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos) << "progress is for terminals";
}

TEST(Bench, WhatIsWrongIsRefused) {
  const auto expect = [](std::vector<std::string> args, const std::string& message) {
    args.insert(args.begin(), {"bench", "-r", "1"});
    const Outcome outcome = run_tercet({args});
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("tercet: error: " + message)) << outcome.err;
  };
  expect({"-p", "0", "-n", "0"}, "-p and -n: only zeros, want at least one length");
  expect({"-p", "12,x"}, "-p: x, want whole numbers from 0, such as 512,4096");
  expect({"-p", ","}, "-p: nothing, want whole numbers from 0");
  expect({"-n", "-4"}, "-n: -4, want ");
  expect({"-n", "99999999999"}, "-n: 99999999999, want ");
  expect({"-d", "1048577"}, "-d: 1048577, want 0..1048576");
  expect({"-b", "0"}, "-b: 0, want 1..1024");
  expect({"-b", "1025"}, "-b: 1025, want 1..1024");
  expect({"-r", "0"}, "-r: 0, want a whole number, 1..1000");
  expect({"--rows", "0"}, "--rows: 0, want ");
  expect({"-p", "2049", "-n", "0"}, "-p and -d: 2049 tokens of context, want at most the 2048");
  expect({"-p", "0", "-n", "49", "-d", "2000"}, "-n and -d: 2049 tokens of context, want at most the 2048");
  expect({"--synthetic", "huge"}, "synthetic size: 'huge', want tiny, mid or full");
  expect({"--synthetic", "tiny", "-m", demo_path()}, "--synthetic: tiny together with --model");
  expect({"-m", "/nowhere.gguf"}, "/nowhere.gguf: no such file");
  expect({"-p", "4", "more"}, "more: a word too many");
}

TEST(Bench, AnOutputThatCannotBeWrittenIsAFailure) {
  for (const std::string form : {"--json", "--quiet"}) {
    const Outcome outcome =
        run_tercet({.args = {"bench", "-p", "2", "-n", "0", "-r", "1", form}, .stdout_path = "/dev/full"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("tercet: error: stdout: No space left on device"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace tercet::tests
