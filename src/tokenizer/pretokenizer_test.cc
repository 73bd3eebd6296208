#include "tokenizer/pretokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tercet::tokenizer {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(std::string_view text) {
  Pieces pieces;
  Pretokenizer pretokenizer(text);
  for (std::string_view piece = pretokenizer.next(); !piece.empty(); piece = pretokenizer.next()) {
    pieces.emplace_back(piece);
  }
  return pieces;
}

TEST(Pretokenizer, WordsTakeOneCharacterBeforeThem) {
  EXPECT_EQ(split("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(split("a\tb\n c"), (Pieces{"a", "\tb", "\n", " c"}));
  EXPECT_EQ(split("f(x)"), (Pieces{"f", "(x", ")"}));
  EXPECT_EQ(split("x.._y"), (Pieces{"x", ".._", "y"}));
  EXPECT_EQ(split("(中文é"), (Pieces{"(中文é"}));
}

TEST(Pretokenizer, EachDigitIsAPiece) {
  EXPECT_EQ(split("x12 3²"), (Pieces{"x", "1", "2", " ", "3", "²"}));
  EXPECT_EQ(split("٣Ⅷ½"), (Pieces{"٣", "Ⅷ", "½"}));
}

TEST(Pretokenizer, Contractions) {
  EXPECT_EQ(split("it's"), (Pieces{"it", "'s"}));
  EXPECT_EQ(split("WE'LL'VE'rE"), (Pieces{"WE", "'LL", "'VE", "'rE"}));
  EXPECT_EQ(split("'sfoo"), (Pieces{"'s", "foo"}));
  EXPECT_EQ(split("'left"), (Pieces{"'left"}));
  EXPECT_EQ(split("'l"), (Pieces{"'l"}));
  EXPECT_EQ(split("'"), (Pieces{"'"}));
  EXPECT_EQ(split("x'\u017Fy"), (Pieces{"x", "'\u017F", "y"})) << "the long s folds to s";
  EXPECT_EQ(split("''s"), (Pieces{"''", "s"})) << "a run of symbols does not stop for one";
}

TEST(Pretokenizer, Symbols) {
  EXPECT_EQ(split("a != b;\r\n\nc"), (Pieces{"a", " !=", " b", ";\r\n\n", "c"}));
  EXPECT_EQ(split("\t!="), (Pieces{"\t", "!="})) << "only a space joins symbols";
  EXPECT_EQ(split("\u0301a"), (Pieces{"\u0301a"})) << "marks are symbols, and symbols stand before words";
}

TEST(Pretokenizer, Spaces) {
  EXPECT_EQ(split("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(split("a   1"), (Pieces{"a", "  ", " ", "1"}));
  EXPECT_EQ(split("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(split("a \n \n  b"), (Pieces{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(split("\r\n\r\n"), (Pieces{"\r\n\r\n"}));
  EXPECT_EQ(split("a\u3000\u3000b"), (Pieces{"a", "\u3000", "\u3000b"}));
  EXPECT_EQ(split("a\u0085b\x1C"), (Pieces{"a", "\u0085b", "\x1C"})) << "U+0085 is a space, U+001C is not";
}

TEST(Pretokenizer, BytesThatAreNotUtf8AreSymbols) {
  EXPECT_EQ(split("a\xFF\xFEz"), (Pieces{"a", "\xFF\xFE", "z"}));
  EXPECT_EQ(split(" \xE2\x82"), (Pieces{" \xE2\x82"}));
  EXPECT_EQ(split("\xFFz"), (Pieces{"\xFFz"}));
}

TEST(Unicode, ClassesOfUnicode16) {
  const UnicodeData& unicode = UnicodeData::get();
  EXPECT_EQ(unicode.info(0x2EBF0).char_class, CharClass::kLetter);  // of 15.1
  EXPECT_EQ(unicode.info(0x1C89).char_class, CharClass::kLetter);   // of 16.0
  EXPECT_EQ(unicode.info(0x1CCF0).char_class, CharClass::kNumber);  // of 16.0
  EXPECT_EQ(unicode.info(0x0378).char_class, CharClass::kOther);    // unassigned
  EXPECT_EQ(unicode.info(0x10FFFF).char_class, CharClass::kOther);
  EXPECT_EQ(unicode.info(kInvalidByte).char_class, CharClass::kOther);
}

}  // namespace
}  // namespace tercet::tokenizer
