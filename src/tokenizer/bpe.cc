#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <string>

#include "base/text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/hash.h"

namespace tercet::tokenizer {
namespace {

// Up to here a scan for the best pair is faster than a heap.
constexpr size_t kShortPiece = 48;
// Places are 32 bits; a piece beyond that is cut.
constexpr size_t kLongestPiece = size_t{1} << 30;

Result<TokenId> find_part(const Vocab& vocab, size_t rank, std::string_view merge, std::string_view part) {
  const auto id = vocab.find(part);
  if (id) return *id;
  return error(Code::kCorrupt, "tokenizer.ggml.merges: merge {} ('{}') names '{}', want a token of the vocabulary",
               rank, printable(merge), printable(part));
}

}  // namespace

Result<Bpe> Bpe::make(const Vocab& vocab, std::span<const std::string_view> merges) {
  if (merges.empty()) return error(Code::kCorrupt, "tokenizer.ggml.merges: holds no merge, want at least 1");
  if (merges.size() >= kNoRank) {
    return error(Code::kLimit, "tokenizer.ggml.merges: holds {} merges, want at most {}", merges.size(), kNoRank - 1);
  }
  Bpe bpe;
  bpe.seed_ = random_odd();
  for (size_t b = 0; b < 256; ++b) {
    const std::string spelling = byte_spelling(static_cast<unsigned char>(b));
    const auto id = vocab.find(spelling);
    if (!id) {
      return error(Code::kCorrupt, "tokenizer.ggml.tokens: byte 0x{:02X} has no token, want '{}' in the vocabulary", b,
                   spelling);
    }
    bpe.byte_tokens_[b] = *id;
  }
  bpe.slots_.resize(std::bit_ceil(merges.size() + merges.size() / 2));
  std::string whole;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const size_t space = merge.find(' ');
    if (space == merge.npos || space == 0 || space + 1 == merge.size() || merge.find(' ', space + 1) != merge.npos) {
      return error(Code::kCorrupt, "tokenizer.ggml.merges: merge {} is '{}', want two spellings with one space between",
                   rank, printable(merge));
    }
    ASSIGN_OR_RETURN(const TokenId left, find_part(vocab, rank, merge, merge.substr(0, space)));
    ASSIGN_OR_RETURN(const TokenId right, find_part(vocab, rank, merge, merge.substr(space + 1)));
    whole.assign(merge.substr(0, space)).append(merge.substr(space + 1));
    ASSIGN_OR_RETURN(const TokenId id, find_part(vocab, rank, merge, whole));
    bpe.insert(uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right),
               {static_cast<uint32_t>(rank), id});
  }
  return bpe;
}

void Bpe::insert(uint64_t pair, Merge merge) {
  size_t slot = mix(pair, seed_) & (slots_.size() - 1);
  while (slots_[slot].pair != kFree && slots_[slot].pair != pair) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = {pair, merge};
}

const Bpe::Merge& Bpe::find(TokenId left, TokenId right) const {
  static constexpr Merge kNone;
  const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  for (size_t slot = mix(pair, seed_) & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].pair == pair) return slots_[slot].merge;
    if (slots_[slot].pair == kFree) return kNone;
  }
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), kLongestPiece))) {
    if (piece.size() <= kShortPiece) {
      encode_short(piece, out);
    } else {
      encode_long(piece.substr(0, kLongestPiece), scratch, out);
    }
  }
}

void Bpe::encode_short(std::string_view piece, std::vector<TokenId>& out) const {
  std::array<TokenId, kShortPiece> tokens;
  std::array<Merge, kShortPiece> merges;  // merges[i] is that of tokens i and i + 1
  size_t n = piece.size();
  for (size_t i = 0; i < n; ++i) tokens[i] = byte_tokens_[static_cast<unsigned char>(piece[i])];
  for (size_t i = 0; i + 1 < n; ++i) merges[i] = find(tokens[i], tokens[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoRank) break;
    tokens[best] = merges[best].whole;
    std::copy(tokens.begin() + best + 2, tokens.begin() + n, tokens.begin() + best + 1);
    if (best + 2 < n) std::copy(merges.begin() + best + 2, merges.begin() + n - 1, merges.begin() + best + 1);
    --n;
    if (best > 0) merges[best - 1] = find(tokens[best - 1], tokens[best]);
    if (best + 1 < n) merges[best] = find(tokens[best], tokens[best + 1]);
  }
  out.insert(out.end(), tokens.begin(), tokens.begin() + n);
}

void Bpe::encode_long(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  using Symbol = Scratch::Symbol;
  auto& symbols = scratch.symbols;
  auto& queue = scratch.queue;
  const auto n = static_cast<uint32_t>(piece.size());
  symbols.resize(n);
  queue.clear();
  for (uint32_t i = 0; i < n; ++i) {
    symbols[i] = {byte_tokens_[static_cast<unsigned char>(piece[i])], i == 0 ? kEnd : i - 1, i + 1 == n ? kEnd : i + 1,
                  kNoRank};
  }
  // Sets the rank at `place`; an entry is out of date when it differs from the rank of its place.
  const auto rank_at = [&](uint32_t place) {
    Symbol& symbol = symbols[place];
    symbol.rank = symbol.next == kEnd ? kNoRank : find(symbol.token, symbols[symbol.next].token).rank;
    return uint64_t{symbol.rank} << 32 | place;
  };
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t entry = rank_at(i);
    if (symbols[i].rank != kNoRank) queue.push_back(entry);
  }
  const auto greater = std::greater<>();
  std::make_heap(queue.begin(), queue.end(), greater);
  const auto push = [&](uint32_t place) {
    const uint64_t entry = rank_at(place);
    if (symbols[place].rank == kNoRank) return;
    queue.push_back(entry);
    std::push_heap(queue.begin(), queue.end(), greater);
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), greater);
    const auto place = static_cast<uint32_t>(queue.back());
    const auto rank = static_cast<uint32_t>(queue.back() >> 32);
    queue.pop_back();
    Symbol& left = symbols[place];
    if (left.rank != rank) continue;
    Symbol& right = symbols[left.next];
    left.token = find(left.token, right.token).whole;
    left.next = right.next;
    right.rank = kNoRank;
    if (left.next != kEnd) symbols[left.next].previous = place;
    push(place);
    if (left.previous != kEnd) push(left.previous);
  }
  for (uint32_t i = 0; i != kEnd; i = symbols[i].next) out.push_back(symbols[i].token);
}

}  // namespace tercet::tokenizer
