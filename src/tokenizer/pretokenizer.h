// Owns the cut of normalised text into the pieces within which bytes merge: the `qwen2` pre-tokenizer, which is
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// matched from left to right, as a scanner by hand: every text is covered, and no step looks back.
#pragma once

#include <cstddef>
#include <string_view>

#include "tokenizer/unicode.h"

namespace tercet::tokenizer {

class Pretokenizer {
 public:
  explicit Pretokenizer(std::string_view text) : text_(text), unicode_(UnicodeData::get()) {}

  // The next piece, or an empty view at the end.
  std::string_view next();

 private:
  struct Seen {
    char32_t code_point;
    CharClass char_class;
    size_t end;
  };

  Seen at(size_t pos) const;  // pos < size
  bool is(size_t pos, CharClass char_class) const { return pos < text_.size() && at(pos).char_class == char_class; }
  bool is_newline(size_t pos) const { return pos < text_.size() && (text_[pos] == '\r' || text_[pos] == '\n'); }
  size_t run_end(size_t pos, CharClass char_class) const;
  size_t contraction_end(size_t pos) const;  // pos itself if there is none
  size_t symbols_end(size_t pos) const;
  size_t spaces_end(size_t pos) const;
  size_t piece_end(size_t pos) const;

  std::string_view text_;
  const UnicodeData& unicode_;
  size_t pos_ = 0;
};

}  // namespace tercet::tokenizer
