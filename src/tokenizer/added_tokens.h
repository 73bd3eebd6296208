// Owns the search for added tokens (control and user-defined ones) in raw text: the leftmost, and there the longest.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/vocab.h"

namespace tercet::tokenizer {

class AddedTokens {
 public:
  // A search looks at this many bytes at most behind each place, which keeps it linear whatever the vocabulary.
  static constexpr size_t kMaxBytes = 1024;

  struct Match {
    size_t begin, end;  // bytes of the text
    TokenId id;
  };

  // `vocab` must outlive this. Errors: kLimit when an added token is longer than kMaxBytes.
  static Result<AddedTokens> make(const Vocab& vocab);

  // The first match at or after `from`.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Token {
    std::string_view spelling;
    TokenId id;
  };

  std::optional<Match> match_at(std::string_view text, size_t pos) const;

  std::vector<Token> tokens_;       // sorted by spelling
  std::array<bool, 256> begins_{};  // whether a token begins with this byte
};

}  // namespace tercet::tokenizer
