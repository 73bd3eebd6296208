// Owns what Python's str knows of Unicode: code points, classes, case and white space, on UTF-8 text. Bytes that are
// not UTF-8 count as one character each and pass through unchanged. Data: utf8proc, and case_table.inc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tercet::chat {

struct CodePoint {
  int32_t value;   // -1: a byte that is no part of a code point
  uint32_t bytes;  // 1..4
};

// The code point that begins at `pos` < text.size().
CodePoint code_point_at(std::string_view text, size_t pos);
// The code point that ends before `end`, 0 < end <= text.size().
CodePoint code_point_before(std::string_view text, size_t end);
size_t count_code_points(std::string_view text);
// Where code point `n` begins, or text.size() if there are not so many.
size_t byte_offset(std::string_view text, size_t n);
// False, and nothing is appended, for a surrogate or a value over 0x10ffff.
bool append_code_point(std::string& out, uint32_t value);

bool is_space(int32_t c);    // str.isspace
bool is_alpha(int32_t c);    // str.isalpha
bool is_decimal(int32_t c);  // str.isdecimal
bool is_digit(int32_t c);    // str.isdigit
bool is_numeric(int32_t c);  // str.isnumeric
bool is_upper(int32_t c);
bool is_lower(int32_t c);
bool is_title(int32_t c);
bool is_printable(int32_t c);  // repr() shows it as it is
bool is_word(int32_t c);       // \w
bool is_identifier_start(int32_t c);
bool is_identifier_part(int32_t c);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);    // str.title: a word is a run of cased characters
std::string capitalize(std::string_view text);  // the first character in title case, the others in lower case
std::string swap_case(std::string_view text);
std::string case_fold(std::string_view text);

std::string_view trim_left(std::string_view text);
std::string_view trim_right(std::string_view text);

}  // namespace tercet::chat
