#include "base/sha256.h"

#include <gtest/gtest.h>

namespace tercet {
namespace {

std::string hash_of(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

// The examples of FIPS 180-4's validation suite.
TEST(Sha256, KnownTexts) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_of(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Every length about the ends of blocks, in pieces of every size.
TEST(Sha256, PiecesGiveTheSame) {
  for (size_t n = 0; n < 200; ++n) {
    const std::string text(n, 'x');
    for (const size_t piece : {1, 7, 63, 64, 65}) {
      Sha256 hash;
      for (size_t at = 0; at < n; at += piece)
        hash.add(std::as_bytes(std::span(std::string_view(text).substr(at, piece))));
      ASSERT_EQ(hash.finish(), hash_of(text)) << n << " in pieces of " << piece;
    }
  }
}

}  // namespace
}  // namespace tercet
