// Compares with the ids and texts of the `tokenizers` package (tests/oracles/tokenizer.py says what is in a .cases
// file).
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace tercet::tokenizer {
namespace {

constexpr uint32_t kSame = UINT32_MAX;

std::string oracle_path(const std::string& name) { return std::string(TERCET_ORACLE_DIR "/tokenizer/") + name; }

std::unique_ptr<Tokenizer> load(const std::string& path) {
  auto file = gguf::File::open(path);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto tokenizer = Tokenizer::from_gguf(**file);
  if (!tokenizer) {
    ADD_FAILURE() << tokenizer.error().message;
    return nullptr;
  }
  return *std::move(tokenizer);
}

class CaseReader {
 public:
  explicit CaseReader(const std::string& path) : in_(path, std::ios::binary) {}

  uint32_t number() {
    uint32_t value = 0;
    in_.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  std::string bytes(uint32_t n) {
    std::string text(n, '\0');
    in_.read(text.data(), n);
    return text;
  }
  std::vector<TokenId> ids() {
    std::vector<TokenId> ids(number());
    in_.read(reinterpret_cast<char*>(ids.data()), static_cast<std::streamsize>(ids.size() * sizeof(TokenId)));
    return ids;
  }
  explicit operator bool() const { return static_cast<bool>(in_); }

 private:
  std::ifstream in_;
};

// The first ids that differ, and the text of the case where it is short.
std::string describe(const std::string& text, const std::vector<TokenId>& seen, const std::vector<TokenId>& wanted) {
  size_t i = 0;
  while (i < seen.size() && i < wanted.size() && seen[i] == wanted[i]) ++i;
  const auto some = [i](const std::vector<TokenId>& ids) {
    return std::span(ids).subspan(i, std::min<size_t>(8, ids.size() - i));
  };
  return fmt::format("text '{}', from token {} on: {}, want {}", printable(text, 200), i, some(seen), some(wanted));
}

class TokenizerOracle : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerOracle, EveryCaseIsEqual) {
  const auto tokenizer = load(oracle_path(GetParam() + std::string(".gguf")));
  ASSERT_NE(tokenizer, nullptr);
  CaseReader cases(oracle_path(GetParam() + std::string(".cases")));
  const uint32_t n_case = cases.number();
  ASSERT_TRUE(cases) << "no cases";
  ASSERT_GT(n_case, 200'000u);
  size_t n_byte = 0;
  int n_wrong = 0;
  for (uint32_t i = 0; i < n_case && n_wrong < 20; ++i) {
    const bool parse_special = cases.number() != 0;
    const std::string text = cases.bytes(cases.number());
    const std::vector<TokenId> wanted = cases.ids();
    const uint32_t n_decoded = cases.number();
    const std::string decoded = n_decoded == kSame ? text : cases.bytes(n_decoded);
    ASSERT_TRUE(cases) << "case " << i << " is cut off";
    n_byte += text.size();
    const std::vector<TokenId> seen = tokenizer->encode(text, parse_special);
    if (seen != wanted) {
      ++n_wrong;
      ADD_FAILURE() << "case " << i << ": " << describe(text, seen, wanted);
      continue;
    }
    const auto back = tokenizer->decode(seen);
    ASSERT_TRUE(back);
    if (*back != decoded) {
      ++n_wrong;
      ADD_FAILURE() << "case " << i << ": decoded '" << printable(*back) << "', want '" << printable(decoded) << "'";
    }
  }
  EXPECT_GE(n_byte, 5'000'000u);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, TokenizerOracle, testing::Values("demo", "qwen3"),
                         [](const auto& vocab) { return std::string(vocab.param); });

// The corpus runs on the tokenizer.json that the demo model was trained with: its GGUF file must hold the same.
TEST(DemoModel, HasTheVocabularyOfItsTokenizerJson) {
  const std::string path = TERCET_SOURCE_DIR "/models/demo-moe-coder-34m-q4_k_m.gguf";
  if (!std::ifstream(path)) GTEST_SKIP() << path << " is not here";
  const auto model = load(path);
  const auto json = load(oracle_path("demo.gguf"));
  ASSERT_NE(model, nullptr);
  ASSERT_NE(json, nullptr);
  ASSERT_EQ(model->vocab_size(), json->vocab_size());
  for (TokenId id = 0; id < model->vocab_size(); ++id) {
    ASSERT_EQ(*model->piece(id), *json->piece(id));
    ASSERT_EQ(model->is_control(id), json->is_control(id)) << *model->piece(id);
  }
  std::ifstream seed(TERCET_SOURCE_DIR "/tests/data/tokenizer/code/rust.txt", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(seed), {}};
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(model->encode(text, true), json->encode(text, true));
  EXPECT_TRUE(std::ranges::equal(model->end_tokens(), json->end_tokens()));
  EXPECT_EQ(model->bos(), json->bos());
  EXPECT_EQ(model->padding(), json->padding());
  EXPECT_FALSE(model->add_bos());
}

}  // namespace
}  // namespace tercet::tokenizer
