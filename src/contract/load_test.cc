// A test for each of the numbered rules: a contract that keeps them all, and a change of it that breaks one.
#include "contract/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>

#include "contract/validate.h"

namespace tercet::contract {
namespace {

constexpr std::string_view kPath = "sample-v1.yaml";
constexpr std::string_view kSample = R"(contract: sample-v1
version: 1.1.0
kind: forward
title: A sample
prefix: FALSIFY-SAMPLE-
backends: [cuda, wgpu]
parity: FALSIFY-SAMPLE-PARITY-001
references:
  - id: paper
    title: A paper
    where: somewhere
amendments:
  - version: 1.0.0
    summary: The beginning.
  - version: 1.1.0
    summary: More.
    alternatives:
      - {name: one, verdict: chosen, reason: simple}
      - {name: two, verdict: rejected, reason: not simple}
blockers:
  - {id: BLOCKER-1, raised_in: 1.0.0, summary: In the way., outcome: Gone.}
equations:
  - id: EQ-1
    formula: a = b
    preconditions: [b is there]
    postconditions: [a is there]
    invariants: [both stay]
    references: [paper]
obligations:
  - id: OBL-1
    claim: It is so.
    equations: [EQ-1]
    falsifiers: [FALSIFY-SAMPLE-PARITY-001]
stages:
  - id: M-1
    title: The first
    state: done
    tests: [FALSIFY-SAMPLE-PARITY-001, some_test]
  - {id: M-2, title: The second, state: planned}
falsifiers:
  - id: FALSIFY-SAMPLE-PARITY-001
    check: parity
    summary: Three tokens.
    backends: [cuda]
    effort: quick
    thresholds:
      - {figure: cosine, precision: high, backend: cuda, at_least: 0.99, unit: cosine, reason: the weakest}
)";

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kSample);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from << " is there twice";
  return text.replace(at, from.size(), to);
}

std::string all_of(const Findings& findings) {
  std::string out;
  for (const Finding& finding : findings) out += describe(kPath, finding) + "\n";
  return out;
}

TEST(Contract, TheSampleKeepsEveryRule) {
  const Loaded loaded = parse_contract(std::string(kPath), kSample);
  EXPECT_TRUE(loaded.findings.empty()) << all_of(loaded.findings);
  ASSERT_TRUE(loaded.contract);
  const Contract& c = *loaded.contract;
  EXPECT_EQ(c.version.text, "1.1.0");
  EXPECT_EQ(c.amendments[1].alternatives[1].verdict, "rejected");
  ASSERT_EQ(c.falsifiers.size(), 1U);
  const Threshold& t = c.falsifiers[0].thresholds.at(0);
  EXPECT_EQ(t.precision, backend::Precision::kHigh);
  EXPECT_EQ(t.at_least, 0.99);
  EXPECT_EQ(t.at.line, 47);
  EXPECT_EQ(c.hash.size(), 64U);
}

struct Broken {
  Rule rule;
  std::string from, to;
  std::string message;  // a part of it
};
void PrintTo(const Broken& broken, std::ostream* out) { *out << "'" << broken.from << "' -> '" << broken.to << "'"; }

const std::vector<Broken>& all_broken() {
  static const std::vector<Broken> kBroken = {
      {Rule::kReadable, "title: A sample", "title: [A", "want YAML"},
      {Rule::kReadable, "title: A sample", "title: &t A sample", "an anchor"},
      {Rule::kType, "title: A sample", "title: [A, sample]", "'title' is a list, want text"},
      {Rule::kType, "title: A sample", "title: ''", "'title' is empty"},
      {Rule::kType, "kind: forward", "kind: backward", "want one of forward, component"},
      {Rule::kType, "backends: [cuda, wgpu]", "backends: [cuda, wgpu, tpu]", "backend 'tpu'"},
      {Rule::kType, "at_least: 0.99", "at_least: much", "'at_least' is 'much', want a number"},
      {Rule::kType, "at_least: 0.99", "at_least: [0.99]", "want a number"},
      {Rule::kType, "precision: high", "precision: higher", "want one of exact, high, fast"},
      {Rule::kType, "preconditions: [b is there]", "preconditions: b", "want a list"},
      {Rule::kType, "[paper]", "[[paper]]", "'references' holds a list"},
      {Rule::kUnknownKey, "title: A sample", "title: A sample\ncolour: red", "key 'colour'"},
      {Rule::kUnknownKey, "reason: the weakest", "reason: the weakest, tol: 1", "key 'tol'"},
      {Rule::kMissingField, "title: A sample\n", "", "no 'title'"},
      {Rule::kMissingField, "    claim: It is so.\n", "", "no 'claim'"},
      {Rule::kDuplicateKey, "title: A sample", "title: A sample\ntitle: Another", "key 'title' again"},
      {Rule::kIdClash, "id: M-2", "id: M-1", "id 'M-1' again"},
      {Rule::kIdClash, "id: M-2", "id: OBL-1", "id 'OBL-1' again"},
      {Rule::kIdForm, "contract: sample-v1", "contract: simple-v1", "want the file's name"},
      {Rule::kIdForm, "prefix: FALSIFY-SAMPLE-", "prefix: SAMPLE-", "want FALSIFY-...-"},
      {Rule::kIdForm, "prefix: FALSIFY-SAMPLE-", "prefix: FALSIFY-OTHER-", "want it to begin with"},
      {Rule::kIdForm, "id: M-2", "id: M 2", "want letters"},
      {Rule::kIdForm, "version: 1.0.0", "version: one", "want MAJOR.MINOR.PATCH"},
      {Rule::kUnproven, "falsifiers: [FALSIFY-SAMPLE-PARITY-001]", "falsifiers: []", "no falsifier"},
      {Rule::kNeedless, "falsifiers: [FALSIFY-SAMPLE-PARITY-001]", "falsifiers: []", "no obligation needs it"},
      {Rule::kBareThreshold, "unit: cosine, ", "", "no unit"},
      {Rule::kBareThreshold, ", reason: the weakest", "", "no reason"},
      {Rule::kUntestedStage, "    tests: [FALSIFY-SAMPLE-PARITY-001, some_test]\n", "", "done without a test"},
      {Rule::kOrder, "  - version: 1.0.0", "  - version: 1.2.0", "want ascending versions"},
      {Rule::kOrder, "  - version: 1.0.0", "  - version: 1.1.0", "want ascending versions"},
      {Rule::kOrder, "\nversion: 1.1.0", "\nversion: 1.0.0", "want that of the last amendment"},
      {Rule::kDangling, "equations: [EQ-1]", "equations: [EQ-2]", "equation 'EQ-2'"},
      {Rule::kDangling, "falsifiers: [FALSIFY-SAMPLE-PARITY-001]",
       "falsifiers: [FALSIFY-SAMPLE-PARITY-001, FALSIFY-SAMPLE-NONE-001]", "falsifier 'FALSIFY-SAMPLE-NONE-001'"},
      {Rule::kDangling, "[paper]", "[papers]", "reference 'papers'"},
      {Rule::kDangling, "raised_in: 1.0.0", "raised_in: 1.0.1", "raised in '1.0.1'"},
      {Rule::kDangling, "tests: [FALSIFY-SAMPLE-PARITY-001", "tests: [FALSIFY-SAMPLE-PARITY-002", "stage"},
      {Rule::kDangling, "parity: FALSIFY-SAMPLE-PARITY-001", "parity: FALSIFY-SAMPLE-PARITY-009", "parity"},
      {Rule::kDangling, "backends: [cuda]", "backends: [cpu]", "want one of the contract's"},
      {Rule::kCheck, "check: parity", "check: party", "check 'party'"},
      {Rule::kFigure, "figure: cosine", "figure: sine", "figure 'sine'"},
      {Rule::kBound, "at_least: 0.99", "at_least: 0.99, at_most: 1", "both of at_most and at_least"},
      {Rule::kBound, "at_least: 0.99, ", "", "neither of at_most and at_least"},
      {Rule::kBound, "at_least: 0.99", "at_least: inf", "not finite"},
      {Rule::kParity, "parity: FALSIFY-SAMPLE-PARITY-001\n", "", "forward without 'parity'"},
      {Rule::kParity, "kind: forward", "kind: component", "a component with 'parity'"},
      {Rule::kUnusedEquation, "equations: [EQ-1]", "equations: []", "no obligation rests on it"},
      {Rule::kUnusedReference, "    references: [paper]\n", "", "no equation cites it"},
      {Rule::kEmptyList, "preconditions: [b is there]", "preconditions: []", "'preconditions' is empty"},
  };
  return kBroken;
}

class Rules : public testing::TestWithParam<Broken> {};

TEST_P(Rules, IsFoundWithItsPlace) {
  const Loaded loaded = parse_contract(std::string(kPath), replaced(GetParam().from, GetParam().to));
  const auto found = std::ranges::find_if(loaded.findings, [](const Finding& f) {
    return f.rule == GetParam().rule && f.message.find(GetParam().message) != std::string::npos;
  });
  ASSERT_NE(found, loaded.findings.end()) << all_of(loaded.findings);
  EXPECT_GT(found->at.line, 0);
  EXPECT_GT(found->at.column, 0);
  const bool is_bad = std::ranges::any_of(loaded.findings, [](const Finding& f) { return !is_warning(f.rule); });
  EXPECT_EQ(is_bad, !is_warning(GetParam().rule)) << all_of(loaded.findings);
}
INSTANTIATE_TEST_SUITE_P(All, Rules, testing::ValuesIn(all_broken()));

TEST(Contract, EveryRuleHasItsTest) {
  std::set<Rule> tested;
  for (const Broken& broken : all_broken()) tested.insert(broken.rule);
  for (int i = 1; i <= 17; ++i) EXPECT_TRUE(tested.contains(static_cast<Rule>(i))) << i;
  for (int i = 101; i <= 103; ++i) EXPECT_TRUE(tested.contains(static_cast<Rule>(i))) << i;
}

TEST(Contract, SaysFileLineAndColumn) {
  const Loaded loaded = parse_contract(std::string(kPath), replaced("check: parity", "check: party"));
  ASSERT_EQ(loaded.findings.size(), 1U) << all_of(loaded.findings);
  EXPECT_EQ(describe(kPath, loaded.findings[0]),
            "sample-v1.yaml:42:12: error C014: falsifier: check 'party', want one that the program has");
}

// Whole documents of another shape, and every cut of a valid one, are findings and no crashes.
TEST(Contract, WrongTypesEverywhere) {
  for (const std::string_view text : {"x", "[]", "{}", "[{}]", "contract: {a: [b]}", "falsifiers: {}", "stages: [[]]"})
    EXPECT_GT(count_errors(parse_contract(std::string(kPath), text).findings), 0) << text;
  for (size_t cut = 0; cut < kSample.size() - 1; cut += 3)
    (void)parse_contract(std::string(kPath), kSample.substr(0, cut));
}

TEST(Contract, FilesThatAreNone) {
  EXPECT_EQ(load_contract("/no/such/file.yaml").error().code, Code::kNotFound);
  EXPECT_EQ(load_contract("/").error().code, Code::kInvalidArgument);
  const std::string path = testing::TempDir() + "/large.yaml";
  {
    std::ofstream file(path);
    file << "a: b\n";
    file.close();
    std::filesystem::resize_file(path, uintmax_t{100} << 20);  // a hole: no such bytes on the disk
  }
  const auto loaded = load_contract(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->findings.size(), 1U);
  EXPECT_EQ(loaded->findings[0].rule, Rule::kReadable);
}

// What ships is valid without a warning, and the tests that its stages name are there.
TEST(Contract, ThoseThatShip) {
  const std::string root = TERCET_SOURCE_DIR;
  std::string ctest;
  for (const char* folder : {"/tests", "/src"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root + folder)) {
      if (entry.path().filename() != "CMakeLists.txt") continue;
      std::ifstream file(entry.path());
      ctest.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  const auto paths = list_contracts(root + "/contracts");
  ASSERT_TRUE(paths) << paths.error().message;
  for (const std::string& path : *paths) {
    const auto loaded = load_contract(path);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(loaded->findings.empty()) << path << "\n" << all_of(loaded->findings);
    if (!loaded->contract) continue;
    for (const Stage& stage : loaded->contract->stages) {
      for (const Name& test : stage.tests) {
        if (test.text.starts_with("FALSIFY-")) continue;
        EXPECT_NE(ctest.find("tercet_test(" + test.text), std::string::npos) << path << ": " << test.text;
      }
    }
  }
}

}  // namespace
}  // namespace tercet::contract
