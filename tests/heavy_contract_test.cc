// The falsifiers on the real Qwen3-Coder-30B-A3B-Instruct, of which no test can bring 18 GB along: TERCET_QWEN3_CODER_GGUF names
// the file (Q4_K_M).
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <iostream>

#include "cli_test.h"

namespace tercet::tests {
namespace {

namespace json = boost::json;

constexpr const char* kVariable = "TERCET_QWEN3_CODER_GGUF";

std::string name_of(const json::value& row) {
  const json::value& backend = row.at("backend");
  return json::value_to<std::string>(row.at("falsifier")) +
         (backend.is_null() ? "" : " on " + json::value_to<std::string>(backend));
}

TEST(HeavyContract, NothingIsFalsifiedOnQwen3Coder) {
  const char* path = std::getenv(kVariable);
  if (path == nullptr || *path == '\0')
    GTEST_SKIP() << kVariable << ": not set, want the file of Qwen3-Coder-30B-A3B-Instruct, Q4_K_M";
  const TempDir folder;
  const std::string receipt = folder.file("receipt.json");
  const Outcome run = run_tercet({{"contract", "run", "--long", "-m", path, "--receipt", receipt, "--json"}});
  ASSERT_TRUE(run.exit_code == 0 || run.exit_code == 3 || run.exit_code == 77) << run.err;
  const json::object seen = json_of(run);
  for (const json::value& row : seen.at("rows").as_array()) {
    const std::string verdict = json::value_to<std::string>(row.at("verdict"));
    const std::string why = json::value_to<std::string>(row.at("why"));
    std::cout << verdict << "  " << name_of(row) << "  " << why << "\n";
    EXPECT_NE(verdict, "FALSIFIED") << name_of(row) << ": " << why;
  }
  EXPECT_EQ(run.exit_code, 0) << json::serialize(seen.at("missing"));

  // What was run is what was meant.
  const json::value& model = seen.at("model");
  EXPECT_EQ(model.at("architecture").as_string(), "qwen3moe");
  const std::pair<const char*, int64_t> shape[] = {
      {"n_layer", 48}, {"d_model", 2048}, {"n_expert", 128}, {"n_expert_used", 8}, {"n_vocab", 151'936}};
  for (const auto& [key, wanted] : shape)
    EXPECT_EQ(model.at("shape").at(key).as_int64(), wanted) << key << " of " << path << ", want Qwen3-Coder-30B-A3B";

  const Outcome verified = run_tercet({{"contract", "verify", receipt}});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

}  // namespace
}  // namespace tercet::tests
