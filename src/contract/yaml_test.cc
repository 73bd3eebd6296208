#include "contract/yaml.h"

#include <gtest/gtest.h>

namespace tercet::contract {
namespace {

TEST(Yaml, KnowsWhereEverythingStands) {
  const auto root = parse_yaml("a: 1\nlist:\n  - x\n  - {k: v}\ntext: >\n  two\n  lines\n");
  ASSERT_TRUE(root) << root.error().message;
  ASSERT_EQ(root->kind, Node::Kind::kMap);
  ASSERT_EQ(root->keys.size(), 3U);
  EXPECT_EQ(root->keys[1].text, "list");
  EXPECT_EQ(root->keys[1].at.line, 2);
  const Node& list = root->items[1];
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_EQ(list.items[0].text, "x");
  EXPECT_EQ(list.items[0].at.line, 3);
  EXPECT_EQ(list.items[0].at.column, 5);
  EXPECT_EQ(list.items[1].items[0].text, "v");
  EXPECT_EQ(root->items[2].text, "two lines\n");
}

void expect_refused(std::string_view text, std::string_view why) {
  const auto root = parse_yaml(text);
  ASSERT_FALSE(root) << text.substr(0, 80);
  EXPECT_NE(root.error().message.find(why), std::string::npos) << root.error().message;
}

// Ten levels of nine references each: 3.5 billion values, in a file of a few hundred bytes.
TEST(Yaml, RefusesAliasBombs) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 9; ++j) bomb += fmt::format("{}*a{}", j > 0 ? ", " : "", i - 1);
    bomb += "]\n";
  }
  expect_refused(bomb, "an anchor");
  expect_refused("a: *nobody\n", "want YAML");
  expect_refused("a: &self [*self]\n", "an anchor");
  expect_refused("<<: &b {x: 1}\n", "an anchor");
}

TEST(Yaml, RefusesWhatIsTooLarge) {
  expect_refused(std::string(kMaxYamlBytes + 1, ' '), "bytes, want at most");
  std::string many = "[";
  for (int i = 0; i < kMaxYamlNodes; ++i) many += "a,";
  expect_refused(many + "a]", "values, want fewer");
}

TEST(Yaml, RefusesWhatIsTooDeep) {
  const auto deep = [](int n) {
    return std::string(static_cast<size_t>(n), '[') + std::string(static_cast<size_t>(n), ']');
  };
  EXPECT_TRUE(parse_yaml(deep(kMaxYamlDepth)));
  expect_refused(deep(kMaxYamlDepth + 1), "a nesting of more than");
  for (const int n : {1000, 100'000}) {
    EXPECT_FALSE(parse_yaml(std::string(static_cast<size_t>(n), '[')));
    EXPECT_FALSE(parse_yaml(std::string(static_cast<size_t>(n), '{')));
    std::string dashes, maps;
    for (int i = 0; i < n; ++i) dashes += "- ";
    for (int i = 0; i < n; ++i) maps += "? ";
    EXPECT_FALSE(parse_yaml(dashes + "x"));
    EXPECT_FALSE(parse_yaml(maps + "x"));
  }
}

TEST(Yaml, RefusesWhatNoContractNeeds) {
  expect_refused("", "no document");
  expect_refused("a: 1\n---\nb: 2\n", "more than one document");
  expect_refused("a: !!python/object:os.system x\n", "a tag");
  expect_refused("[a, b]: 1\n", "want a word");
  expect_refused("? {a: b}\n: 1\n", "want a word");
  expect_refused("a: \xff\n", "no UTF-8");
  expect_refused(std::string_view("a: \0b\n", 6), "NUL");
  expect_refused("a: [1, 2\n", "want YAML");
  expect_refused("a: 1\n b: 2\n", "want YAML");
  expect_refused("\t a: 1\n", "want YAML");
}

// No input crashes the parser: cut anywhere, with any byte changed.
TEST(Yaml, SurvivesWhatIsMangled) {
  const std::string text =
      "contract: x\nlist:\n  - id: a\n    n: 1.5e3\n    t: >-\n      folded \"text\"\n  - {b: [1, 'q']}\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) (void)parse_yaml(text.substr(0, cut));
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : std::string_view("[{&*!|>%@`\"'#:-?,\n\t\x01\x7f\xc3")) {
      std::string mangled = text;
      mangled[at] = c;
      (void)parse_yaml(mangled);
    }
  }
}

}  // namespace
}  // namespace tercet::contract
