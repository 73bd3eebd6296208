#include "base/text.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

TEST(Text, DecodesTheEdgesOfEveryLength) {
  const struct {
    std::string_view text;
    char32_t code_point;
  } cases[] = {{std::string_view("\0", 1), 0},
               {"\x7f", 0x7f},
               {"\xc2\x80", 0x80},
               {"\xdf\xbf", 0x7ff},
               {"\xe0\xa0\x80", 0x800},
               {"\xed\x9f\xbf", 0xd7ff},
               {"\xee\x80\x80", 0xe000},
               {"\xef\xbf\xbf", 0xffff},
               {"\xf0\x90\x80\x80", 0x10000},
               {"\xf4\x8f\xbf\xbf", 0x10ffff}};
  for (const auto& c : cases) {
    char32_t seen = 0xffffffff;
    EXPECT_EQ(decode_utf8(c.text, seen), c.text.size());
    EXPECT_EQ(seen, c.code_point);
    EXPECT_TRUE(is_utf8(c.text));
  }
}

TEST(Text, RefusesWhatIsNoUtf8) {
  for (const std::string_view text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    EXPECT_FALSE(is_utf8(text)) << printable(text);
  EXPECT_TRUE(is_utf8(""));
}

TEST(Text, PrintableKeepsTextAndEscapesTheRest) {
  EXPECT_EQ(printable("blk.0.ffn_gate.weight"), "blk.0.ffn_gate.weight");
  EXPECT_EQ(printable("Grüße 🦉"), "Grüße 🦉");
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
  EXPECT_EQ(printable("\xff\xe2\x80\xae"), "\\xff\\xe2\\x80\\xae");  // no UTF-8; a right-to-left override
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Text, PrintableCutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 4), "abcd... (6 bytes)");
  EXPECT_EQ(printable("ab€cd", 3), "ab€... (7 bytes)");
}

}  // namespace
}  // namespace tercet
