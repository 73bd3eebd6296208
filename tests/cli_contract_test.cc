// `contract`: what it says of contracts, runs and receipts, and with which exit code.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>

#include "base/sanitized.h"
#include "cli_test.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

std::string contract_file(const std::string& id) {
  return std::string(TERCET_SOURCE_DIR) + "/contracts/" + id + ".yaml";
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

constexpr const char* kCpu = "qwen3-moe-forward-cpu-v1";
constexpr const char* kMinutes =
    "all falsifiers of the CPU are minutes under a sanitizer; WhatIsNotHereIsIncomplete runs ref's";

TEST(CliContract, ValidatesThoseThatShip) {
  const Outcome seen = run_tercet({.args = {"contract", "validate"}});
  EXPECT_EQ(seen.exit_code, 0) << seen.out << seen.err;
  EXPECT_EQ(seen.out, "0 error(s), 0 warning(s)\n");
}

TEST(CliContract, SaysWhatIsWrongAndWhere) {
  const TempDir folder;
  std::string text = read_file(contract_file(kCpu));
  text.replace(text.find("check: parity"), 13, "check: party");
  const std::string path = folder.file(std::string(kCpu) + ".yaml");
  write_file(path, text);
  const Outcome seen = run_tercet({.args = {"contract", "validate", path}});
  EXPECT_EQ(seen.exit_code, 2);
  EXPECT_TRUE(contains(seen.out, path + ":")) << seen.out;
  EXPECT_TRUE(contains(seen.out, "error C014: falsifier: check 'party'")) << seen.out;
  EXPECT_TRUE(seen.out.ends_with("1 error(s), 0 warning(s)\n")) << seen.out;
  const Outcome as_json = run_tercet({.args = {"contract", "validate", path, "--json"}});
  EXPECT_EQ(as_json.exit_code, 2);
  EXPECT_EQ(json_of(as_json).at("findings").at(0).at("rule").as_string(), "C014");
  // What is not valid is not run.
  EXPECT_EQ(run_tercet({.args = {"contract", "run", "--contract", path}}).exit_code, 2);
}

TEST(CliContract, WrongInput) {
  const TempDir folder;
  write_file(folder.file("receipt.json"), "{}");
  write_file(folder.file("bomb.yaml"), "a: &a [x]\nb: [*a, *a]\n");
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"contract"},
           {"contract", "dance"},
           {"contract", "validate", "/no/such.yaml"},
           {"contract", "validate", folder.path()},
           {"contract", "validate", folder.file("bomb.yaml")},
           {"contract", "verify"},
           {"contract", "verify", "/no/such.json"},
           {"contract", "verify", folder.file("receipt.json")},
           {"contract", "report", "-o", folder.file("r.html")},
           {"contract", "report", "/no/such.json", "-o", folder.file("r.html")},
           {"contract", "report", folder.file("receipt.json"), "-o", folder.file("r.html")},
           {"contract", "run", "--quick", "--long"},
           {"contract", "run", "--contract", "no-such-contract"},
           {"contract", "run", "some-file"},
           {"contract", "run", "--backend", "tpu"},
       })
    EXPECT_EQ(run_tercet({.args = args}).exit_code, 2) << json::serialize(json::value_from(args));
}

// A page has the receipt in it, whatever the verdict was.
void expect_a_page(const std::string& receipt, const std::string& page) {
  EXPECT_EQ(run_tercet({.args = {"contract", "report", receipt}}).exit_code, 2) << "no file to write it to";
  EXPECT_EQ(run_tercet({.args = {"contract", "report", receipt, "-o", "/dev/full"}}).exit_code, 1);
  EXPECT_EQ(run_tercet({.args = {"contract", "report", receipt, "-o", "/no/such/r.html"}}).exit_code, 1);
  const Outcome seen = run_tercet({.args = {"contract", "report", receipt, "-o", page}});
  EXPECT_EQ(seen.exit_code, 0) << seen.err;
  EXPECT_EQ(seen.out, "");
  const std::string text = read_file(page);
  EXPECT_TRUE(contains(text, "Demo MoE Coder 34M")) << text.substr(0, 200);
  EXPECT_TRUE(text.ends_with("</html>\n"));
}

TEST(CliContract, WhatIsNotHereIsIncomplete) {
  const Outcome no_model = run_tercet({.args = {"contract", "run", "-m", "/no/such.gguf"}});
  EXPECT_EQ(no_model.exit_code, 77) << no_model.out << no_model.err;
  EXPECT_TRUE(contains(no_model.out, "SKIPPED")) << no_model.out;
  // ref alone has no parity gate: its own falsifiers never make a run complete.
  const TempDir folder;
  const std::string receipt = folder.file("r.json");
  const Outcome ref = run_tercet(
      {.args = {"contract", "run", "--quick", "--backend", "ref", "--receipt", receipt, "--contract", kCpu}});
  EXPECT_EQ(ref.exit_code, 77) << ref.out << ref.err;
  EXPECT_TRUE(contains(ref.out, "HELD       FALSIFY-QW3-MOE-CPU-REFERENCE-001")) << ref.out;
  const json::value seen = json::parse(read_file(receipt));
  EXPECT_EQ(seen.at("verdict").as_string(), "INCOMPLETE");

  // The time of each of ref's stages, for steps of one row and of many.
  const json::value& roofline = seen.at("rooflines").at(0);
  EXPECT_EQ(roofline.at("backend").as_string(), "ref");
  EXPECT_EQ(roofline.at("points").as_array().size(), 14U);
  for (const json::value& point : roofline.at("points").as_array()) {
    for (const char* key : {"seconds", "bytes"})
      EXPECT_GT(point.at(key).to_number<double>(), 0) << json::serialize(point);
    // Only embed multiplies nothing.
    EXPECT_EQ(point.at("flops").to_number<double>() == 0, point.at("stage") == "embed") << json::serialize(point);
  }
  EXPECT_GT(roofline.at("read_bandwidth").to_number<double>(), 0);
  EXPECT_TRUE(roofline.at("arithmetic").is_null());
  EXPECT_EQ(roofline.at("absent").as_string(), "what it computes at most was not measured");
  expect_a_page(receipt, folder.file("r.html"));
}

TEST(CliContract, HoldsOnTheDemoAndLeavesAReceipt) {
  if (kSanitized) GTEST_SKIP() << kMinutes;
  const TempDir folder;
  const std::string receipt = folder.file("r.json");
  const Outcome run = run_tercet(
      {.args = {"contract", "run", "--quick", "--backend", "cpu", "--contract", kCpu, "--receipt", receipt}});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_TRUE(run.out.ends_with("\nHELD\n")) << run.out;
  const Outcome verified = run_tercet({.args = {"contract", "verify", receipt, "--json"}});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_TRUE(json_of(verified).at("changes").as_array().empty());

  // A figure beyond its bound under an old verdict.
  json::value changed = json::parse(read_file(receipt));
  EXPECT_EQ(changed.at("model").at("sha256").as_string().size(), 64U);
  for (json::value& figure : changed.at("rows").at(0).at("figures").as_array()) figure.at("value") = 0.5;
  write_file(receipt, json::serialize(changed));
  const Outcome lie = run_tercet({.args = {"contract", "verify", receipt}});
  EXPECT_EQ(lie.exit_code, 3) << lie.out;
  EXPECT_TRUE(contains(lie.out, "contradiction:")) << lie.out;
}

// It is another model then: the backends agree on it, and it is not what Hugging Face's logits are of.
TEST(CliContract, ADemoWhoseBytesWereChangedIsFalsified) {
  if (kSanitized) GTEST_SKIP() << kMinutes;
  const TempDir folder;
  const std::string path = folder.file("demo.gguf");
  write_edited_demo(path, {.set_f32 = {{"qwen3moe.rope.freq_base", 1.1e6F}}});
  const Outcome run =
      run_tercet({.args = {"contract", "run", "--quick", "--backend", "cpu", "--contract", kCpu, "-m", path}});
  EXPECT_EQ(run.exit_code, 3) << run.out << run.err;
  EXPECT_TRUE(contains(run.out, "HELD       FALSIFY-QW3-MOE-CPU-PARITY-001")) << run.out;
  EXPECT_TRUE(contains(run.out, "FALSIFIED  FALSIFY-QW3-MOE-CPU-REFERENCE-001")) << run.out;
}

}  // namespace
}  // namespace tercet::tests
