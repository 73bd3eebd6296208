#include "tokenizer/added_tokens.h"

#include <algorithm>

namespace tercet::tokenizer {

Result<AddedTokens> AddedTokens::make(const Vocab& vocab) {
  AddedTokens added;
  for (TokenId id = 0; id < vocab.size(); ++id) {
    if (!vocab.is_added(id)) continue;
    const std::string_view spelling = vocab.spelling(id);
    if (spelling.size() > kMaxBytes) {
      return error(Code::kLimit, "tokenizer.ggml.tokens: added token {} is {} bytes long, want at most {}", id,
                   spelling.size(), kMaxBytes);
    }
    added.tokens_.push_back({spelling, id});
    added.begins_[static_cast<unsigned char>(spelling[0])] = true;
  }
  std::sort(added.tokens_.begin(), added.tokens_.end(),
            [](const Token& a, const Token& b) { return a.spelling < b.spelling; });
  return added;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, size_t from) const {
  for (size_t pos = from; pos < text.size(); ++pos) {
    if (!begins_[static_cast<unsigned char>(text[pos])]) continue;
    if (const auto match = match_at(text, pos)) return match;
  }
  return std::nullopt;
}

// Narrows, byte by byte, the range of tokens that begin as the text does. The shortest of a range is its first.
std::optional<AddedTokens::Match> AddedTokens::match_at(std::string_view text, size_t pos) const {
  std::optional<Match> longest;
  auto first = tokens_.begin();
  auto last = tokens_.end();
  for (size_t depth = 0; first != last; ++depth) {
    if (first->spelling.size() == depth) {
      if (depth > 0) longest = Match{pos, pos + depth, first->id};
      if (++first == last) break;
    }
    if (pos + depth == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[pos + depth]);
    const auto at_depth = [depth](const Token& token) { return static_cast<unsigned char>(token.spelling[depth]); };
    first = std::partition_point(first, last, [&](const Token& token) { return at_depth(token) < byte; });
    last = std::partition_point(first, last, [&](const Token& token) { return at_depth(token) == byte; });
  }
  return longest;
}

}  // namespace tercet::tokenizer
