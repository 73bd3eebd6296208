// A parity bug is found by reading a stage's mirrors side by side: they must open with the same formula and shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>
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

// Each names the others, ref first.
constexpr std::array<std::pair<const char*, const char*>, 4> kFolders = {
    {{"ref", "cc"}, {"cpu", "cc"}, {"cuda", "cu"}, {"wgpu", "wgsl"}}};

TEST(Mirrors, FormulaAndShapeLinesAreTheSame) {
  for (const std::string stage : kStages) {
    const auto ref = first_lines("ref/" + stage + ".cc", 3);
    for (const auto& [folder, extension] : kFolders) {
      const std::string path = std::string(folder) + "/" + stage + "." + extension;
      const auto lines = first_lines(path, 3);
      std::string first = "// " + stage + "   contract: docs/stages.md#" + stage + "   mirrors: ";
      std::string separator;
      for (const auto& [other, its_extension] : kFolders) {
        if (std::string(other) == folder) continue;
        first += separator + other + "/" + stage + "." + its_extension;
        separator = ", ";
      }
      EXPECT_EQ(lines[0], first) << path;
      EXPECT_EQ(lines[1], ref[1]) << path << ": formula";
      EXPECT_EQ(lines[2], ref[2]) << path << ": shapes";
    }
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
