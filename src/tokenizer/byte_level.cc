#include "tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "tokenizer/unicode.h"

namespace tercet::tokenizer {
namespace {

// Printable Latin-1 stands for itself; the other 68 bytes take the characters from U+0100 on, in order.
constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr char32_t kFirstExtra = 0x100;
constexpr int kExtras = 68;

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int, kFirstExtra + kExtras> byte{};  // -1: not in the alphabet

  constexpr Alphabet() {
    byte.fill(-1);
    char32_t extra = kFirstExtra;
    for (int b = 0; b < 256; ++b) {
      const char32_t c = stands_for_itself(b) ? static_cast<char32_t>(b) : extra++;
      character[static_cast<size_t>(b)] = c;
      byte[c] = b;
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

std::string byte_spelling(unsigned char byte) {
  std::string spelling;
  append_utf8(kAlphabet.character[byte], spelling);
  return spelling;
}

std::string bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  for (size_t pos = 0; pos < spelling.size();) {
    const Char c = decode_char(spelling, pos);
    if (c.code_point >= kAlphabet.byte.size() || kAlphabet.byte[c.code_point] < 0) return std::string(spelling);
    bytes.push_back(static_cast<char>(kAlphabet.byte[c.code_point]));
    pos += c.n_byte;
  }
  return bytes;
}

}  // namespace tercet::tokenizer
