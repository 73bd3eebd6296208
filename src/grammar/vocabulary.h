// Owns a tokenizer's tokens in the order in which masks are made: a trie of their bytes, laid out so that walking it is a
// loop.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace tercet::grammar {

using tokenizer::TokenId;

class Vocabulary {
 public:
  // A place in the trie; they stand in depth-first order, so that those below one follow it up to `end`.
  struct Node {
    uint32_t end;    // the first that is not below it
    TokenId token;   // that ends here, or -1
    uint16_t depth;  // bytes from the root
    uint8_t byte;    // the last of them
  };

  // Control tokens are no text and are left out. `n_vocab`: of the model, whose masks have a bit for each id.
  static std::shared_ptr<const Vocabulary> make(const tokenizer::Tokenizer& tokenizer, int n_vocab);

  std::span<const Node> nodes() const { return nodes_; }  // the first is the root, of no bytes
  std::string_view bytes(TokenId token) const;
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  size_t n_word() const { return n_word_; }  // of a mask
  size_t max_length() const { return max_length_; }
  // Tokens of the same bytes as `token`, after it.
  TokenId twin(TokenId token) const { return twins_[static_cast<size_t>(token)]; }

 private:
  Vocabulary() = default;

  std::vector<Node> nodes_;
  std::string text_;
  std::vector<std::pair<uint32_t, uint32_t>> places_;  // of each token's bytes in text_: begin, size
  std::vector<TokenId> twins_, end_tokens_;
  size_t n_word_ = 0, max_length_ = 0;
};

}  // namespace tercet::grammar
