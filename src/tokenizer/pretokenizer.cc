#include "tokenizer/pretokenizer.h"

namespace tercet::tokenizer {
namespace {

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

Pretokenizer::Seen Pretokenizer::at(size_t pos) const {
  const auto byte = static_cast<unsigned char>(text_[pos]);
  if (byte < 0x80) return {byte, unicode_.ascii_class(byte), pos + 1};
  const Char c = decode_char(text_, pos);
  return {c.code_point, unicode_.info(c.code_point).char_class, pos + c.n_byte};
}

size_t Pretokenizer::run_end(size_t pos, CharClass char_class) const {
  while (pos < text_.size()) {
    const Seen seen = at(pos);
    if (seen.char_class != char_class) break;
    pos = seen.end;
  }
  return pos;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d), text_[pos] is the apostrophe. U+017F, the long s, folds to s.
size_t Pretokenizer::contraction_end(size_t pos) const {
  const std::string_view rest = text_.substr(pos + 1, 2);
  if (rest.empty()) return pos;
  if (rest == "\u017F") return pos + 3;
  const char first = ascii_lower(rest[0]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return pos + 2;
  if (rest.size() < 2) return pos;
  const char second = ascii_lower(rest[1]);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) {
    return pos + 3;
  }
  return pos;
}

// [^\s\p{L}\p{N}]+[\r\n]*
size_t Pretokenizer::symbols_end(size_t pos) const {
  pos = run_end(pos, CharClass::kOther);
  while (is_newline(pos)) ++pos;
  return pos;
}

// \s*[\r\n]+|\s+(?!\S)|\s+: up to the last newline of the run; else all but its last character, which is left to what
// follows; else all of it.
size_t Pretokenizer::spaces_end(size_t pos) const {
  size_t newline_end = pos;
  size_t last = pos;
  size_t end = pos;
  while (is(end, CharClass::kSpace)) {
    last = end;
    end = at(end).end;
    if (is_newline(last)) newline_end = end;
  }
  if (newline_end != pos) return newline_end;
  if (end == text_.size() || last == pos) return end;
  return last;
}

size_t Pretokenizer::piece_end(size_t pos) const {
  const Seen seen = at(pos);
  switch (seen.char_class) {
    case CharClass::kLetter: return run_end(seen.end, CharClass::kLetter);
    case CharClass::kNumber: return seen.end;
    case CharClass::kOther: {
      if (seen.code_point == '\'') {
        if (const size_t end = contraction_end(pos); end != pos) return end;
      }
      if (is(seen.end, CharClass::kLetter)) return run_end(seen.end, CharClass::kLetter);
      return symbols_end(pos);
    }
    case CharClass::kSpace: {
      if (!is_newline(pos) && is(seen.end, CharClass::kLetter)) return run_end(seen.end, CharClass::kLetter);
      if (seen.code_point == ' ' && is(seen.end, CharClass::kOther)) return symbols_end(seen.end);
      return spaces_end(pos);
    }
  }
  return seen.end;
}

std::string_view Pretokenizer::next() {
  if (pos_ == text_.size()) return {};
  const size_t begin = pos_;
  pos_ = piece_end(begin);
  return text_.substr(begin, pos_ - begin);
}

}  // namespace tercet::tokenizer
