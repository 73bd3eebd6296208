#include "engine/stop_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tercet::engine {
namespace {

// Byte by byte: where the text ends that a reader sees.
size_t cut_of(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops)
      if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    if (longest > 0) return end - longest;
  }
  return text.size();
}

TEST(StopFilter, LetsTextThroughWithoutStops) {
  StopFilter filter({});
  EXPECT_EQ(filter.push("abc"), "abc");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, HoldsBackWhatMayBeTheBeginning) {
  StopFilter filter({"aab"});
  EXPECT_EQ(filter.push("xa"), "x");
  EXPECT_EQ(filter.push("a"), "");
  EXPECT_EQ(filter.push("a"), "a");  // the last two may still begin one
  EXPECT_EQ(filter.push("c"), "aac");
  EXPECT_EQ(filter.push("aa"), "");
  EXPECT_EQ(filter.push("bz"), "");
  EXPECT_TRUE(filter.matched());
  EXPECT_EQ(filter.match(), "aab");
  EXPECT_EQ(filter.push("more"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopFilter, TheFirstToBeCompleteWinsAndThenTheLongest) {
  StopFilter first({"abcd", "bc"});
  EXPECT_EQ(first.push("xabcd"), "xa");
  EXPECT_EQ(first.match(), "bc");
  StopFilter longest({"cd", "bcd"});
  EXPECT_EQ(longest.push("abcd"), "a");
  EXPECT_EQ(longest.match(), "bcd");
}

TEST(StopFilter, FinishGivesBackWhatWaited) {
  StopFilter filter({"abc"});
  EXPECT_EQ(filter.push("xab"), "x");
  EXPECT_EQ(filter.finish(), "ab");
}

TEST(StopFilter, AnyCutOfTheTextGivesTheSame) {
  constexpr uint32_t kSeed = 8;
  std::mt19937 random(kSeed);
  const auto word = [&](size_t n_max) {
    std::string text(1 + random() % n_max, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int i = 0; i < 5000; ++i) {
    const std::string text = word(30);
    const std::vector<std::string> stops = {word(6), word(6)};
    StopFilter filter(stops);
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t n = 1 + random() % 4;
      out += filter.push(text.substr(at, n));
      at += n;
    }
    out += filter.finish();
    const size_t cut = cut_of(text, stops);
    ASSERT_EQ(out, text.substr(0, cut)) << "seed " << kSeed << " case " << i;
    ASSERT_EQ(filter.matched(), cut < text.size());
  }
}

}  // namespace
}  // namespace tercet::engine
