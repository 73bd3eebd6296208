#include "tokenizer/vocab.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/hash.h"

namespace tercet::tokenizer {

Result<Vocab> Vocab::make(std::span<const std::string_view> tokens, std::span<const int32_t> types) {
  if (tokens.empty()) return error(Code::kCorrupt, "tokenizer.ggml.tokens: holds no token, want at least 256");
  if (tokens.size() > static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
    return error(Code::kLimit, "tokenizer.ggml.tokens: holds {} tokens, want at most {}", tokens.size(),
                 std::numeric_limits<TokenId>::max());
  }
  if (!types.empty() && types.size() != tokens.size()) {
    return error(Code::kCorrupt, "tokenizer.ggml.token_type: holds {} types, want {}, one a token", types.size(),
                 tokens.size());
  }
  Vocab vocab;
  vocab.seed_ = random_odd();
  size_t n_byte = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].empty()) return error(Code::kCorrupt, "tokenizer.ggml.tokens: token {} is empty, want a spelling", i);
    n_byte += tokens[i].size();
  }
  vocab.spellings_.reserve(tokens.size(), n_byte);
  for (const std::string_view token : tokens) vocab.spellings_.push_back(token);
  vocab.types_.assign(tokens.size(), TokenType::kNormal);
  RETURN_IF_ERROR(vocab.set_types(types));
  RETURN_IF_ERROR(vocab.set_index());
  vocab.bytes_.reserve(tokens.size(), n_byte);
  for (TokenId id = 0; id < vocab.size(); ++id) {
    const std::string_view spelling = vocab.spelling(id);
    if (vocab.is_added(id)) {
      vocab.bytes_.push_back(spelling);
    } else {
      vocab.bytes_.push_back(bytes_of_spelling(spelling));
    }
  }
  return vocab;
}

Status Vocab::set_types(std::span<const int32_t> types) {
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 1 || types[i] > 6) {
      return error(Code::kCorrupt, "tokenizer.ggml.token_type: type of token {} is {}, want 1..6", i, types[i]);
    }
    types_[i] = static_cast<TokenType>(types[i]);
  }
  return {};
}

Status Vocab::set_index() {
  index_.assign(std::bit_ceil(types_.size() * 2), -1);
  for (TokenId id = 0; id < size(); ++id) {
    size_t slot = hash(spelling(id)) & (index_.size() - 1);
    for (; index_[slot] >= 0; slot = (slot + 1) & (index_.size() - 1)) {
      if (spelling(index_[slot]) == spelling(id)) {
        return error(Code::kCorrupt, "tokenizer.ggml.tokens: tokens {} and {} are both '{}', want each once",
                     index_[slot], id, printable(spelling(id)));
      }
    }
    index_[slot] = id;
  }
  return {};
}

uint64_t Vocab::hash(std::string_view spelling) const { return hash_bytes(spelling, seed_); }

std::optional<TokenId> Vocab::find(std::string_view wanted) const {
  for (size_t slot = hash(wanted) & (index_.size() - 1); index_[slot] >= 0; slot = (slot + 1) & (index_.size() - 1)) {
    if (spelling(index_[slot]) == wanted) return index_[slot];
  }
  return std::nullopt;
}

}  // namespace tercet::tokenizer
