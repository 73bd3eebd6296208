#include "tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "tokenizer/test_vocab.h"

namespace tercet::tokenizer {
namespace {

constexpr uint32_t kSeed = 7;

// The definition: look through all pairs for the best, merge it, begin again.
std::vector<std::string> merge_slowly(const TestVocab& vocab, const std::string& piece) {
  std::vector<std::string> parts;
  for (const char c : piece) parts.push_back(byte_spelling(static_cast<unsigned char>(c)));
  for (;;) {
    size_t best_rank = vocab.merges.size();
    size_t best = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      for (size_t rank = 0; rank < best_rank; ++rank) {
        if (vocab.merges[rank] == parts[i] + " " + parts[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == vocab.merges.size()) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

std::vector<std::string> merge(const TestVocab& test_vocab, const std::string& piece) {
  const VocabSpec spec = test_vocab.spec();
  const Vocab vocab = *Vocab::make(spec.tokens, spec.token_type);
  const Bpe bpe = *Bpe::make(vocab, spec.merges);
  Bpe::Scratch scratch;
  std::vector<TokenId> ids;
  bpe.encode(piece, scratch, ids);
  std::vector<std::string> parts;
  for (const TokenId id : ids) parts.emplace_back(vocab.spelling(id));
  return parts;
}

TEST(Bpe, LowestRankThenLeftmost) {
  const TestVocab vocab;
  EXPECT_EQ(merge(vocab, "abc"), (std::vector<std::string>{"a", "bc"})) << "b c has a lower rank than a b";
  EXPECT_EQ(merge(vocab, "aaaaa"), (std::vector<std::string>{"aaaa", "a"}));
  EXPECT_EQ(merge(vocab, "aaa"), (std::vector<std::string>{"aaa"}));
  EXPECT_EQ(merge(vocab, "é"), (std::vector<std::string>{"Ã©"}));
  EXPECT_EQ(merge(vocab, ""), (std::vector<std::string>{}));
}

TEST(Bpe, ARepeatedMergeHasItsLaterRank) {
  TestVocab vocab;
  vocab.merges.emplace_back("b c");  // now after a b and ab c
  EXPECT_EQ(merge(vocab, "abc"), (std::vector<std::string>{"abc"}));
}

// Merges in random order have what trained ones do not: wholes that come before their parts, ties, overlaps.
TEST(Bpe, EqualsTheDefinitionWhateverTheMerges) {
  std::mt19937 random(kSeed);
  for (int round = 0; round < 60; ++round) {
    TestVocab vocab;
    for (const char* word : {"ba", "cc", "ca", "abab", "cab", "bcb", "bcbc", "aab", "caca"}) {
      vocab.add(word, TokenType::kNormal);
    }
    for (int i = 0; i < 200; ++i) {
      const std::string left =
          vocab.tokens[i % 3 == 0 ? 'a' + random() % 3 : 256 + random() % (vocab.tokens.size() - 256)];
      const std::string right = vocab.tokens['a' + random() % 3];
      for (const auto& [l, r] : {std::pair{left, right}, {right, left}}) {
        if (std::ranges::find(vocab.tokens, l + r) == vocab.tokens.end()) continue;
        if (std::ranges::find(vocab.merges, l + " " + r) == vocab.merges.end()) vocab.merges.push_back(l + " " + r);
      }
    }
    std::shuffle(vocab.merges.begin(), vocab.merges.end(), random);
    // Both ways of merging: short pieces by scans, long ones by a heap.
    for (const size_t length : {1u, 2u, 3u, 7u, 20u, 47u, 48u, 49u, 150u}) {
      std::string piece;
      while (piece.size() < length) piece.push_back(static_cast<char>('a' + random() % 3));
      ASSERT_EQ(merge(vocab, piece), merge_slowly(vocab, piece))
          << "seed " << kSeed << " round " << round << " " << piece;
    }
  }
}

// A quadratic merge of a megabyte would run for an hour; the limit is for hangs, bench/ has the time.
TEST(Bpe, AMegabyteOfOneCharacterIsOnePiece) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  const auto start = std::chrono::steady_clock::now();
  for (const char c : {'a', ' ', 'b', '\n', '\xCC'}) {
    const std::string text(1'000'000, c);
    const auto ids = tokenizer->encode(text, true);
    EXPECT_EQ(*tokenizer->decode(ids), text);
    if (c == 'a' || c == ' ') {
      EXPECT_EQ(ids.size(), 250'000u);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(50)) << "five texts, ten seconds each";
}

}  // namespace
}  // namespace tercet::tokenizer
