#include "tokenizer/nfc.h"

#include <gtest/gtest.h>

#include "tokenizer/unicode.h"

namespace tercet::tokenizer {
namespace {

std::string nfc(std::string_view text) {
  std::string storage = "left over";
  return std::string(to_nfc(text, storage));
}

TEST(Nfc, TextThatIsNormalIsNotCopied) {
  std::string storage;
  for (const std::string_view text : {"", "plain", "été 中文 가각 \U0001F600", "broken \xE9 \xF0\x9F\x98"}) {
    EXPECT_EQ(to_nfc(text, storage).data(), text.data()) << text;
  }
}

TEST(Nfc, ComposesAndOrders) {
  EXPECT_EQ(nfc("e\u0301"), "é");
  EXPECT_EQ(nfc("xe\u0301y"), "xéy");
  EXPECT_EQ(nfc("a\u0301\u0323"), "ạ\u0301") << "the mark below comes first";
  EXPECT_EQ(nfc("\u1EA1\u0302"), "ậ");
  EXPECT_EQ(nfc("e\u0334\u0301"), "é\u0334") << "marks of other classes do not block";
  EXPECT_EQ(nfc("a\u0301\u0301"), "á\u0301") << "a mark of the same class does";
  EXPECT_EQ(nfc("\u09C7\u0334\u09BE"), "\u09C7\u0334\u09BE") << "nor can a starter pass a mark";
  EXPECT_EQ(nfc("\u0308\u0301"), "\u0308\u0301") << "two marks alone";
  EXPECT_EQ(nfc("\u0344"), "\u0308\u0301");
  EXPECT_EQ(nfc("\u212B\u2126"), "ÅΩ");
  EXPECT_EQ(nfc("\u0915\u093C \u0958"), "\u0915\u093C \u0915\u093C") << "excluded from composition";
}

TEST(Nfc, Hangul) {
  EXPECT_EQ(nfc("\u1112\u1161\u11AB"), "한");
  EXPECT_EQ(nfc("\uD558\u11AB"), "한");
  EXPECT_EQ(nfc("\uAC00\u11A7"), "\uAC00\u11A7") << "the tail that is none";
  EXPECT_EQ(nfc("\uAC01\u11A8"), "\uAC01\u11A8");
  EXPECT_EQ(nfc("\u1161\u1100"), "\u1161\u1100");
}

TEST(Nfc, KnowsUnicode9AndNotMore) {
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930") << "U+11938 is of Unicode 13";
  EXPECT_EQ(nfc("a\u1DF6\u0301"), "a\u1DF6\u0301") << "U+1DF6 is of Unicode 10: a starter here";
  EXPECT_EQ(nfc("\U00011099\U000110BA"), "\U0001109A");
}

TEST(Nfc, BytesThatAreNotUtf8StayAndSplit) {
  EXPECT_EQ(nfc("e\xFF\u0301"), "e\xFF\u0301");
  EXPECT_EQ(nfc("e\u0301\xFF"
                "e\u0301"),
            "é\xFF"
            "é");
  EXPECT_EQ(nfc("\xC3"
                "e\u0301\xE2\x82"),
            "\xC3"
            "é\xE2\x82");
  EXPECT_EQ(nfc("\xED\xA0\x80\u0301"), "\xED\xA0\x80\u0301") << "a surrogate is not UTF-8";
}

TEST(Nfc, IsItsOwnNormalForm) {
  for (char32_t c = 0x80; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text = "a";
    append_utf8(c, text);
    const std::string once = nfc(text + "\u0301\u0323");
    ASSERT_EQ(nfc(once), once) << static_cast<uint32_t>(c);
  }
}

TEST(Nfc, LongRunsOfMarksAreSorted) {
  std::string text = "a";
  for (int i = 0; i < 50'000; ++i) text += "\u0301\u0316";
  const std::string seen = nfc(text);
  std::string wanted = "á";
  for (int i = 0; i < 50'000; ++i) wanted += "\u0316";
  for (int i = 1; i < 50'000; ++i) wanted += "\u0301";
  EXPECT_TRUE(seen == wanted);
}

}  // namespace
}  // namespace tercet::tokenizer
