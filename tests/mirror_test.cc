// A parity bug is found by reading a stage's mirrors side by side: they must open with the same formula and shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

namespace tercet::tests {
namespace {

constexpr std::array kStages = {"embed", "attn_in", "attn", "attn_out", "route", "experts", "head"};

std::vector<std::string> first_lines(const std::string& path, int n) {
  std::ifstream file(std::string(TERCET_SOURCE_DIR) + "/src/" + path);
  EXPECT_TRUE(file) << path;
  std::vector<std::string> lines(static_cast<size_t>(n));
  for (std::string& line : lines) std::getline(file, line);
  return lines;
}

TEST(Mirrors, FormulaAndShapeLinesAreTheSame) {
  for (const std::string stage : kStages) {
    const auto ref = first_lines("ref/" + stage + ".cc", 3);
    const auto cpu = first_lines("cpu/" + stage + ".cc", 3);
    EXPECT_EQ(ref[0].rfind("// " + stage + "   contract: docs/stages.md#" + stage, 0), 0u) << ref[0];
    EXPECT_NE(ref[0].find("cpu/" + stage + ".cc"), std::string::npos) << ref[0];
    EXPECT_NE(cpu[0].find("ref/" + stage + ".cc"), std::string::npos) << cpu[0];
    EXPECT_EQ(ref[1], cpu[1]) << stage << ": formula";
    EXPECT_EQ(ref[2], cpu[2]) << stage << ": shapes";
  }
}

TEST(Mirrors, EveryStageIsDescribed) {
  std::ifstream file(std::string(TERCET_SOURCE_DIR) + "/docs/stages.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  for (const std::string stage : kStages)
    EXPECT_NE(std::find(lines.begin(), lines.end(), "## " + stage), lines.end()) << stage;
}

}  // namespace
}  // namespace tercet::tests
