// What a hostile vocabulary meets: each fault its own error, which names the key, what was seen and what was wanted.
#include "tokenizer/vocab.h"

#include <gtest/gtest.h>

#include <functional>

#include "tokenizer/test_vocab.h"

namespace tercet::tokenizer {
namespace {

struct Fault {
  const char* name;
  std::function<void(TestVocab&)> breaks;
  Code code;
  const char* message;
};

class BadVocab : public testing::TestWithParam<Fault> {};

TEST_P(BadVocab, IsRefused) {
  TestVocab vocab;
  GetParam().breaks(vocab);
  const auto tokenizer = Tokenizer::from_spec(vocab.spec());
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, GetParam().code);
  EXPECT_EQ(tokenizer.error().message, GetParam().message);
}

const Fault kFaults[] = {
    {"NoTokens", [](TestVocab& v) { v.tokens.clear(); }, Code::kCorrupt,
     "tokenizer.ggml.tokens: holds no token, want at least 256"},
    {"NoMerges", [](TestVocab& v) { v.merges.clear(); }, Code::kCorrupt,
     "tokenizer.ggml.merges: holds no merge, want at least 1"},
    {"TooFewTypes", [](TestVocab& v) { v.types.pop_back(); }, Code::kCorrupt,
     "tokenizer.ggml.token_type: holds 269 types, want 270, one a token"},
    {"TypeOutOfRange", [](TestVocab& v) { v.types[3] = 7; }, Code::kCorrupt,
     "tokenizer.ggml.token_type: type of token 3 is 7, want 1..6"},
    {"TypeZero", [](TestVocab& v) { v.types[0] = 0; }, Code::kCorrupt,
     "tokenizer.ggml.token_type: type of token 0 is 0, want 1..6"},
    {"EmptyToken", [](TestVocab& v) { v.tokens[269] = ""; }, Code::kCorrupt,
     "tokenizer.ggml.tokens: token 269 is empty, want a spelling"},
    {"RepeatedToken", [](TestVocab& v) { v.tokens[269] = "aa"; }, Code::kCorrupt,
     "tokenizer.ggml.tokens: tokens 256 and 269 are both 'aa', want each once"},
    {"MissingByte", [](TestVocab& v) { v.tokens[0] = "zzz"; }, Code::kCorrupt,
     "tokenizer.ggml.tokens: byte 0x00 has no token, want 'Ā' in the vocabulary"},
    {"MergeWithoutSpace", [](TestVocab& v) { v.merges[1] = "aaaa"; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 1 is 'aaaa', want two spellings with one space between"},
    {"MergeWithTwoSpaces", [](TestVocab& v) { v.merges[1] = "a a a"; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 1 is 'a a a', want two spellings with one space between"},
    {"MergeWithoutLeft", [](TestVocab& v) { v.merges[1] = " a"; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 1 is ' a', want two spellings with one space between"},
    {"MergeWithoutRight", [](TestVocab& v) { v.merges[1] = "a "; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 1 is 'a ', want two spellings with one space between"},
    {"EmptyMerge", [](TestVocab& v) { v.merges[1] = ""; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 1 is '', want two spellings with one space between"},
    {"MergeOfUnknownPart", [](TestVocab& v) { v.merges[2] = "b xyz"; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 2 ('b xyz') names 'xyz', want a token of the vocabulary"},
    {"MergeToUnknownWhole", [](TestVocab& v) { v.merges[2] = "b d"; }, Code::kCorrupt,
     "tokenizer.ggml.merges: merge 2 ('b d') names 'bd', want a token of the vocabulary"},
    {"EndlessAddedToken", [](TestVocab& v) { v.add(std::string(1025, '<'), TokenType::kControl); }, Code::kLimit,
     "tokenizer.ggml.tokens: added token 270 is 1025 bytes long, want at most 1024"},
};

INSTANTIATE_TEST_SUITE_P(Faults, BadVocab, testing::ValuesIn(kFaults),
                         [](const auto& fault) { return std::string(fault.param.name); });

TEST(Vocab, RefusesIdsOutOfRange) {
  const TestVocab vocab;
  const std::pair<std::optional<int64_t> VocabSpec::*, std::string> fields[] = {
      {&VocabSpec::bos_token_id, "bos_token_id"},
      {&VocabSpec::eos_token_id, "eos_token_id"},
      {&VocabSpec::eot_token_id, "eot_token_id"},
      {&VocabSpec::eom_token_id, "eom_token_id"},
      {&VocabSpec::padding_token_id, "padding_token_id"}};
  for (const auto& [field, name] : fields) {
    for (const int64_t id : {int64_t{270}, int64_t{-1}, int64_t{1} << 40}) {
      VocabSpec spec = vocab.spec();
      spec.*field = id;
      const auto tokenizer = Tokenizer::from_spec(spec);
      ASSERT_FALSE(tokenizer) << name;
      EXPECT_EQ(tokenizer.error().message, fmt::format("tokenizer.ggml.{}: {}, want a token id below 270", name, id));
    }
  }
  VocabSpec spec = vocab.spec();
  spec.add_bos_token = true;
  const auto tokenizer = Tokenizer::from_spec(spec);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().message, "tokenizer.ggml.bos_token_id: missing, want it where add_bos_token is true");
}

TEST(Vocab, WithoutTypesEveryTokenIsNormal) {
  TestVocab vocab;
  vocab.types.clear();
  const auto tokenizer = Tokenizer::from_spec(vocab.spec());
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE((*tokenizer)->is_control(*(*tokenizer)->find("<|im_end|>")));
  EXPECT_EQ((*tokenizer)->encode("<think>", true).size(), 7u);
  EXPECT_TRUE((*tokenizer)->end_tokens().empty());
}

TEST(ByteLevel, EveryByteHasASpellingThatMeansIt) {
  for (int b = 0; b < 256; ++b) {
    const std::string byte(1, static_cast<char>(b));
    EXPECT_EQ(bytes_of_spelling(byte_spelling(static_cast<unsigned char>(b))), byte) << b;
  }
  EXPECT_EQ(byte_spelling(' '), "Ġ");
  EXPECT_EQ(byte_spelling('\n'), "Ċ");
  EXPECT_EQ(byte_spelling('A'), "A");
  EXPECT_EQ(bytes_of_spelling("Ġ of"), "Ġ of") << "a plain space is no byte-level character";
}

}  // namespace
}  // namespace tercet::tokenizer
