// Owns a checked vocabulary: each id's spelling, bytes and type, and the id of a spelling.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet::tokenizer {

using TokenId = int32_t;

// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// Strings one after another in one piece of memory.
class StringTable {
 public:
  void reserve(size_t n_string, size_t n_byte) {
    ends_.reserve(n_string);
    bytes_.reserve(n_byte);
  }
  void push_back(std::string_view string) {
    bytes_.append(string);
    ends_.push_back(bytes_.size());
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

class Vocab {
 public:
  // `types` may be empty: all normal. Errors (kCorrupt): no token, an empty or a repeated spelling, a number of types
  // that is not that of tokens, a type out of range. kLimit: more tokens than a TokenId can count.
  static Result<Vocab> make(std::span<const std::string_view> tokens, std::span<const int32_t> types);

  TokenId size() const { return static_cast<TokenId>(types_.size()); }
  bool has(int64_t id) const { return id >= 0 && id < size(); }
  // These want has(id).
  std::string_view spelling(TokenId id) const { return spellings_[static_cast<size_t>(id)]; }
  std::string_view bytes(TokenId id) const { return bytes_[static_cast<size_t>(id)]; }
  TokenType type(TokenId id) const { return types_[static_cast<size_t>(id)]; }
  // Written in a text, it is cut out before anything else: control, unknown and user-defined tokens.
  bool is_added(TokenId id) const { return is_control(id) || type(id) == TokenType::kUserDefined; }
  bool is_control(TokenId id) const { return type(id) == TokenType::kControl || type(id) == TokenType::kUnknown; }

  std::optional<TokenId> find(std::string_view spelling) const;

 private:
  Status set_types(std::span<const int32_t> types);
  Status set_index();
  uint64_t hash(std::string_view spelling) const;

  StringTable spellings_;
  StringTable bytes_;
  std::vector<TokenType> types_;
  std::vector<TokenId> index_;  // open addressing, a power of two of slots, -1 is free
  uint64_t seed_ = 0;
};

}  // namespace tercet::tokenizer
