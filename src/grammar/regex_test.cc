#include "grammar/regex.h"

#include <gtest/gtest.h>

#include "grammar/grammar.h"
#include "grammar/numbers.h"

namespace tercet::grammar {
namespace {

Result<Dfa> compiled(std::string_view pattern) {
  Nfa nfa;
  const auto part = add_regex(nfa, pattern);
  if (!part) return tl::make_unexpected(part.error());
  return nfa.dfa(*part, kMaxDfaState);
}

bool matches(std::string_view pattern, std::string_view text) {
  const auto dfa = compiled(pattern);
  EXPECT_TRUE(dfa) << pattern << ": " << dfa.error().message;
  return dfa && dfa->matches(text);
}

TEST(Regex, MatchesAnywhereUnlessAnchored) {
  EXPECT_TRUE(matches("b", "abc"));
  EXPECT_FALSE(matches("^b", "abc"));
  EXPECT_TRUE(matches("^ab", "abc"));
  EXPECT_FALSE(matches("^ab$", "abc"));
  EXPECT_TRUE(matches("^a|c$", "xxc"));
  EXPECT_TRUE(matches("(^abc$)", "abc"));
  EXPECT_TRUE(matches("", "anything"));
  EXPECT_TRUE(matches("^$", ""));
  EXPECT_FALSE(matches("^$", "a"));
}

TEST(Regex, RepeatsAndGroups) {
  EXPECT_TRUE(matches("^(ab|c){2,3}$", "abc"));
  EXPECT_FALSE(matches("^(ab|c){2,3}$", "ab"));
  EXPECT_FALSE(matches("^(ab|c){2,3}$", "cccc"));
  EXPECT_TRUE(matches("^a{0}$", ""));
  EXPECT_TRUE(matches("^(?:a+?b*?)+$", "aabab"));
  EXPECT_TRUE(matches("^(?<year>\\d{4})-(?P<month>\\d\\d)$", "2024-12"));
  EXPECT_TRUE(matches("^a{,2}$", "a{,2}")) << "no quantifier, as in ECMA";
}

TEST(Regex, CharactersAreThoseOfAJsonString) {
  EXPECT_TRUE(matches("^[\"\\\\]+$", "\\\"\\\\"));
  EXPECT_FALSE(matches("^.$", "\""));
  EXPECT_TRUE(matches("^\\n$", "\\n"));
  EXPECT_TRUE(matches("^[é-ü]$", "ï"));
  EXPECT_TRUE(matches("^[^a]$", "\U0001F600"));
  EXPECT_FALSE(matches("^[^a]$", "\xED\xA0\x80")) << "a surrogate";
  EXPECT_FALSE(matches("^.$", "\\n"));
}

TEST(Regex, WhereDialectsDifferItTakesWhatAllTake) {
  EXPECT_FALSE(matches("^\\d$", "٣"));
  EXPECT_FALSE(matches("^\\D$", "٣"));
  EXPECT_FALSE(matches("^[^\\d]$", "٣"));
  EXPECT_FALSE(matches("^\\W$", "é"));
  EXPECT_TRUE(matches("^\\S$", "é"));
  EXPECT_FALSE(matches("^\\S$", "\xC2\x85"));
}

TEST(Regex, WhatIsNotRegularIsRefused) {
  for (const char* pattern :
       {"(a)\\1", "(?=a)", "(?<!a)b", "\\bword", "\\p{L}", "(?i)a", "a++", "a(^b)", "[]a]", "a{1001}"}) {
    const auto dfa = compiled(pattern);
    ASSERT_FALSE(dfa) << pattern;
    EXPECT_NE(dfa.error().code, Code::kLimit) << pattern;
  }
  for (const char* pattern : {"(", ")", "a**", "*a", "[a", "a{3,1}", "[z-a]", "\\", "\xFF", "\\u12"}) {
    const auto dfa = compiled(pattern);
    ASSERT_FALSE(dfa) << pattern;
    EXPECT_EQ(dfa.error().code, Code::kInvalidArgument) << pattern;
  }
}

TEST(Regex, TooLargeIsSaidAndDoesNotTakeLong) {
  for (const char* pattern : {"^(a{1,900}){1,900}$", "(a|b)*a(a|b){30}", "(((((((a{9}){9}){9}){9}){9}){9}){9}){9}"}) {
    const auto dfa = compiled(pattern);
    ASSERT_FALSE(dfa) << pattern;
    EXPECT_EQ(dfa.error().code, Code::kLimit) << pattern;
  }
}

TEST(Numbers, WholeOnesWithinBounds) {
  for (const auto& [low, high] : {std::pair{-3, 12}, {0, 0}, {95, 1005}, {-120, -7}, {-1, 1}, {5, 4}}) {
    NumberRange range;
    range.low = Bound{static_cast<long double>(low), false};
    range.high = Bound{static_cast<long double>(high), false};
    const auto dfa = integers(range, kMaxDfaState);
    ASSERT_TRUE(dfa);
    for (int i = -1500; i < 1500; ++i)
      EXPECT_EQ(dfa->matches(std::to_string(i)), low <= i && i <= high) << i << " in " << low << ".." << high;
    EXPECT_FALSE(dfa->matches("00"));
    EXPECT_FALSE(dfa->matches("1.0"));
  }
}

TEST(Numbers, OthersWithinBounds) {
  NumberRange range;
  range.low = Bound{-0.25L, true};
  range.high = Bound{2.5L, false};
  const auto dfa = numbers(range, kMaxDfaState);
  ASSERT_TRUE(dfa);
  for (const char* text : {"0", "-0", "-0.2", "-0.24999", "2", "2.5", "2.50", "2.49", "1.999999", "0.0", "-0.0"})
    EXPECT_TRUE(dfa->matches(text)) << text;
  for (const char* text : {"-0.25", "-0.250", "-0.26", "2.500001", "2.51", "3", "-1", "1e0", "01", "1.", ".5", ""})
    EXPECT_FALSE(dfa->matches(text)) << text;
}

TEST(Numbers, Multiples) {
  const auto dfa = multiples_of(7, kMaxDfaState);
  ASSERT_TRUE(dfa);
  for (int i = -200; i < 200; ++i) EXPECT_EQ(dfa->matches(std::to_string(i)), i % 7 == 0) << i;
}

}  // namespace
}  // namespace tercet::grammar
