// Owns what the tokenizer knows of characters: strict UTF-8, the classes that the pre-tokenizer tells apart, and the
// properties that NFC needs. The data comes from utf8proc, moved to the Unicode versions that `tokenizers` has: 16.0
// for classes (its regular expressions), 9.0 for NFC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tercet::tokenizer {

// Stands for a byte that belongs to no well-formed UTF-8 sequence.
inline constexpr char32_t kInvalidByte = 0x110000;
inline constexpr char32_t kCodePoints = 0x110000;

struct Char {
  char32_t code_point;  // or kInvalidByte
  uint32_t n_byte;      // 1..4; 1 for kInvalidByte
};

// The character at text[pos], pos < text.size().
Char decode_char(std::string_view text, size_t pos);

void append_utf8(char32_t code_point, std::string& out);

// How many bytes at the end of `bytes` (0..3) begin a UTF-8 sequence that further bytes could still complete.
size_t incomplete_tail(std::string_view bytes);

enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };  // else, \p{L}, \p{N}, \s

struct CharInfo {
  CharClass char_class = CharClass::kOther;
  bool nfc_inert = true;    // a starter that NFC leaves as it is and that never joins the character before it
  bool decomposes = false;  // has a canonical decomposition
  uint8_t combining_class = 0;
};

// The tables are built once a process, from utf8proc: some milliseconds.
class UnicodeData {
 public:
  static const UnicodeData& get();

  // code_point may be kInvalidByte: a character of class kOther that NFC leaves alone.
  CharInfo info(char32_t code_point) const {
    return blocks_[index_[code_point / kBlock] * kBlock + code_point % kBlock];
  }
  CharClass ascii_class(unsigned char c) const { return blocks_[c].char_class; }

  // The canonical composition of two characters, Hangul included.
  std::optional<char32_t> compose(char32_t first, char32_t second) const;
  // Appends the full canonical decomposition, in the order of the data (not yet in canonical order).
  void decompose(char32_t code_point, std::vector<char32_t>& out) const;

 private:
  static constexpr size_t kBlock = 256;

  UnicodeData();
  void find_compositions();
  CharInfo make_info(char32_t code_point) const;

  std::array<uint16_t, kCodePoints / kBlock + 1> index_;  // block of code points -> block of blocks_
  std::vector<CharInfo> blocks_;                          // block 0 is ASCII and Latin-1
  std::unordered_map<uint64_t, char32_t> compositions_;   // first << 32 | second
  std::vector<char32_t> seconds_;                         // those that compose with a character before them, sorted
};

}  // namespace tercet::tokenizer
