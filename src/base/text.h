// Owns how foreign text is looked at before it is trusted or printed: UTF-8 decoding and escaping for messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tercet {

// The length in bytes (1 to 4) of the well-formed UTF-8 sequence that `text` begins with, its code point in
// `code_point`; 0 if there is none: `text` is empty, cut off, overlong, a surrogate, or above U+10FFFF.
size_t decode_utf8(std::string_view text, char32_t& code_point);

bool is_utf8(std::string_view text);

// `text` with every byte that is no UTF-8 replaced by U+FFFD: JSON can carry no other.
std::string valid_utf8(std::string_view text);

// `text` as it may stand in a one-line message: control characters, line separators, bidirectional overrides and bytes
// that are no UTF-8 become \xNN, and what goes past `max_bytes` of the input is replaced by its length.
std::string printable(std::string_view text, size_t max_bytes = 80);

}  // namespace tercet
