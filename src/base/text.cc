#include "base/text.h"

#include <fmt/format.h>

namespace tercet {
namespace {

// Characters that would break the line or change how the rest of it is shown.
bool is_disruptive(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) ||        // C0, DEL, C1
         c == 0x061c || c == 0x200e || c == 0x200f ||  // bidirectional marks
         (c >= 0x2028 && c <= 0x202e) ||               // line and paragraph separators, embeddings, overrides
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;  // isolates, byte order mark
}

}  // namespace

size_t decode_utf8(std::string_view text, char32_t& code_point) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    code_point = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  char32_t value = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = (value << 6) | (byte(i) & 0x3fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  code_point = value;
  return length;
}

bool is_utf8(std::string_view text) {
  char32_t code_point = 0;
  while (!text.empty()) {
    const size_t length = decode_utf8(text, code_point);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    char32_t code_point = 0;
    const size_t n = decode_utf8(text, code_point);
    out += n == 0 ? std::string_view("\uFFFD") : text.substr(0, n);
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

std::string printable(std::string_view text, size_t max_bytes) {
  std::string out;
  size_t at = 0;
  while (at < text.size() && at < max_bytes) {
    char32_t code_point = 0;
    const size_t length = decode_utf8(text.substr(at), code_point);
    if (length > 0 && !is_disruptive(code_point)) {
      out.append(text, at, length);
      at += length;
      continue;
    }
    for (const size_t end = at + (length == 0 ? 1 : length); at < end; ++at)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
  }
  if (at < text.size()) out += fmt::format("... ({} bytes)", text.size());
  return out;
}

}  // namespace tercet
