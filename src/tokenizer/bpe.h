// Owns byte-pair merging: the bytes of one piece become tokens, the pair with the lowest rank first, of equal ones the
// leftmost.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/vocab.h"

namespace tercet::tokenizer {

class Bpe {
 public:
  // Memory that encode() uses again from piece to piece.
  struct Scratch {
    struct Symbol {
      TokenId token;
      uint32_t previous, next;  // places; kEnd at the ends
      uint32_t rank;            // of the merge with the next symbol, or kNoRank
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> queue;  // rank << 32 | place, a heap with the least on top; some are out of date
  };

  // merges[rank] is "LEFT RIGHT". A pair that comes twice has its later rank, as in `tokenizers`. Errors (kCorrupt):
  // no merges, one that is not two spellings with one space between, one whose parts or whole are not in the
  // vocabulary, a byte without a token.
  static Result<Bpe> make(const Vocab& vocab, std::span<const std::string_view> merges);

  // Appends the tokens of `piece`, any bytes. Time n log n.
  void encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  static constexpr uint32_t kEnd = UINT32_MAX;
  static constexpr uint64_t kFree = UINT64_MAX;

  struct Merge {
    uint32_t rank = kNoRank;
    TokenId whole = -1;
  };
  struct Slot {
    uint64_t pair = kFree;  // left << 32 | right
    Merge merge;
  };

  void insert(uint64_t pair, Merge merge);
  const Merge& find(TokenId left, TokenId right) const;
  void encode_short(std::string_view piece, std::vector<TokenId>& out) const;
  void encode_long(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;

  std::array<TokenId, 256> byte_tokens_{};
  std::vector<Slot> slots_;  // open addressing, a power of two of them
  uint64_t seed_ = 0;
};

}  // namespace tercet::tokenizer
