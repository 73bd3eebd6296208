#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "tokenizer/test_vocab.h"
#include "tokenizer/unicode.h"

namespace tercet::tokenizer {
namespace {

constexpr uint32_t kSeed = 11;

TEST(IncompleteTail, HoldsWhatCanStillBecomeACharacter) {
  EXPECT_EQ(incomplete_tail(""), 0u);
  EXPECT_EQ(incomplete_tail("abc"), 0u);
  EXPECT_EQ(incomplete_tail("é"), 0u);
  EXPECT_EQ(incomplete_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_tail("\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_tail("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_tail("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(incomplete_tail("\xE2\x82\xC3"), 1u);
}

TEST(IncompleteTail, LetsGoWhatNeverCan) {
  for (const char* bytes : {"\xC0", "\xC1", "\xF5", "\xFF", "\x80", "\xBF\xBF", "\xE0\x9F", "\xED\xA0", "\xF0\x8F",
                            "\xF4\x90", "\xF4\x90\x80", "\xF0\x9F\x41", "\xE2\x41", "\xC3\x41"}) {
    EXPECT_EQ(incomplete_tail(bytes), 0u) << printable(bytes);
  }
}

TEST(StreamDecoder, GivesWholeCharactersOnly) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  StreamDecoder decoder(*tokenizer);
  const auto push = [&](unsigned char byte) { return *decoder.push(*tokenizer->find(byte_spelling(byte))); };
  EXPECT_EQ(push(0xF0), "");
  EXPECT_EQ(push(0x9F), "");
  EXPECT_EQ(push(0x98), "");
  EXPECT_EQ(push(0x80), "\U0001F600");
  EXPECT_EQ(push(0xE2), "");
  EXPECT_EQ(push('x'), "\xE2x") << "it can not become a character any more";
  EXPECT_EQ(push(0xC3), "");
  EXPECT_EQ(decoder.finish(), "\xC3");
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_EQ(push('y'), "y");
}

TEST(StreamDecoder, AnIdOutOfRangeIsAnErrorAndLosesNothing) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  StreamDecoder decoder(*tokenizer);
  EXPECT_EQ(*decoder.push(*tokenizer->find(byte_spelling(0xC3))), "");
  for (const TokenId id : {270, -1, INT32_MAX, INT32_MIN}) {
    const auto piece = decoder.push(id);
    ASSERT_FALSE(piece);
    EXPECT_EQ(piece.error().message, fmt::format("token id: {}, want 0..269", id));
  }
  EXPECT_EQ(*decoder.push(*tokenizer->find(byte_spelling(0xA9))), "é");
}

// Random bytes with much UTF-8 in them: the parts are the whole; where the whole is valid, so is each part.
TEST(StreamDecoder, PartsMakeTheWhole) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  std::mt19937 random(kSeed);
  for (int round = 0; round < 3000; ++round) {
    const bool valid = round % 2 == 0;
    std::string text;
    for (int i = 0; i < 20; ++i) {
      const char32_t limit[] = {0x80, 0x800, 0xD800, 0x110000};
      char32_t c = static_cast<char32_t>(random()) % limit[random() % 4];
      if (c >= 0xD800 && c < 0xE000) c = 'x';
      append_utf8(c, text);
      if (!valid && random() % 4 == 0) text.resize(text.size() - 1);
      if (!valid && random() % 4 == 0) text.push_back(static_cast<char>(random()));
    }
    StreamDecoder decoder(*tokenizer);
    std::string whole;
    for (const unsigned char byte : text) {
      const std::string part = *decoder.push(*tokenizer->find(byte_spelling(byte)));
      ASSERT_TRUE(!valid || is_utf8(part)) << "seed " << kSeed << " round " << round;
      whole += part;
    }
    const std::string rest = decoder.finish();
    ASSERT_TRUE(!valid || rest.empty());
    ASSERT_EQ(whole + rest, text) << "seed " << kSeed << " round " << round;
  }
}

}  // namespace
}  // namespace tercet::tokenizer
