#include "base/base64.h"

#include <gtest/gtest.h>

#include <string_view>

namespace tercet {
namespace {

std::string encode(std::string_view text) { return base64(std::as_bytes(std::span(text))); }

// The vectors of RFC 4648.
TEST(Base64, IsThatOfTheStandard) {
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foo"), "Zm9v");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode("\xfb\xff"), "+/8=");
}

TEST(Base64, ALongTextIsNotPaddedInItsMiddle) {
  const std::string seen = encode(std::string((size_t{3} << 20) + 1, '\0'));
  EXPECT_EQ(seen.size(), (size_t{4} << 20) + 4);
  EXPECT_EQ(seen.find('='), seen.size() - 2);
}

}  // namespace
}  // namespace tercet
