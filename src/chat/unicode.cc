#include "chat/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace tercet::chat {
namespace {

struct CaseExpansion {
  int32_t from;
  const char* upper;
  const char* title;
};

constexpr CaseExpansion kCaseExpansions[] = {
#include "chat/case_table.inc"
};

const CaseExpansion* expansion(int32_t c) {
  const auto* found = std::lower_bound(std::begin(kCaseExpansions), std::end(kCaseExpansions), c,
                                       [](const CaseExpansion& row, int32_t value) { return row.from < value; });
  return found != std::end(kCaseExpansions) && found->from == c ? found : nullptr;
}

utf8proc_category_t category(int32_t c) { return c < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(c); }

bool is_cased(int32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

// Characters that a word's end looks through when a capital sigma is lowered (Case_Ignorable).
bool is_case_ignorable(int32_t c) {
  switch (c) {
    case '\'':
    case '.':
    case ':':
    case 0xb7:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
      return true;
    default:
      break;
  }
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return false;
  }
}

bool is_final_sigma(std::string_view text, size_t pos, size_t bytes) {
  bool before = false;
  for (size_t i = pos; i > 0;) {
    const CodePoint c = code_point_before(text, i);
    i -= c.bytes;
    if (is_case_ignorable(c.value)) continue;
    before = is_cased(c.value);
    break;
  }
  if (!before) return false;
  for (size_t i = pos + bytes; i < text.size();) {
    const CodePoint c = code_point_at(text, i);
    i += c.bytes;
    if (is_case_ignorable(c.value)) continue;
    return !is_cased(c.value);
  }
  return true;
}

void append_upper(std::string& out, int32_t c) {
  if (const CaseExpansion* row = expansion(c)) {
    out += row->upper;
  } else {
    append_code_point(out, static_cast<uint32_t>(utf8proc_toupper(c)));
  }
}

void append_title(std::string& out, int32_t c) {
  if (const CaseExpansion* row = expansion(c)) {
    out += row->title;
  } else {
    append_code_point(out, static_cast<uint32_t>(utf8proc_totitle(c)));
  }
}

void append_lower(std::string& out, std::string_view text, size_t pos, CodePoint c) {
  if (c.value == 0x130) {
    out += "i\u0307";
  } else if (c.value == 0x3a3 && is_final_sigma(text, pos, c.bytes)) {
    out += "\u03c2";
  } else {
    append_code_point(out, static_cast<uint32_t>(utf8proc_tolower(c.value)));
  }
}

// Calls map(out, pos, code point) for each code point; bytes that are none are copied.
template <typename Map>
std::string map_text(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (c.value < 0) {
      out += text[pos];
    } else {
      map(out, pos, c);
    }
    pos += c.bytes;
  }
  return out;
}

}  // namespace

CodePoint code_point_at(std::string_view text, size_t pos) {
  const auto first = static_cast<unsigned char>(text[pos]);
  if (first < 0x80) return {first, 1};
  utf8proc_int32_t value = -1;
  const size_t left = std::min<size_t>(text.size() - pos, 4);
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + pos);
  const utf8proc_ssize_t n = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(left), &value);
  if (n <= 0) return {-1, 1};
  return {value, static_cast<uint32_t>(n)};
}

CodePoint code_point_before(std::string_view text, size_t end) {
  for (size_t n = 1; n <= 4 && n <= end; ++n) {
    const CodePoint c = code_point_at(text, end - n);
    if (c.value >= 0 && c.bytes == n) return c;
  }
  return {-1, 1};
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (size_t pos = 0; pos < text.size(); ++count) pos += code_point_at(text, pos).bytes;
  return count;
}

size_t byte_offset(std::string_view text, size_t n) {
  size_t pos = 0;
  for (; n > 0 && pos < text.size(); --n) pos += code_point_at(text, pos).bytes;
  return pos;
}

bool append_code_point(std::string& out, uint32_t value) {
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t n = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(n));
  return true;
}

bool is_space(int32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_alpha(int32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(int32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(int32_t c) {
  // Digits that are not decimal: superscripts, subscripts and the circled ones.
  return is_decimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247c) ||
         (c >= 0x2488 && c <= 0x2490) || (c >= 0x1369 && c <= 0x1371);
}

bool is_numeric(int32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_upper(int32_t c) { return c >= 0 && utf8proc_isupper(c) != 0 && !is_title(c); }
bool is_lower(int32_t c) { return c >= 0 && utf8proc_islower(c) != 0; }
bool is_title(int32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

bool is_printable(int32_t c) {
  if (c == ' ') return true;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_word(int32_t c) { return c == '_' || is_alpha(c) || is_numeric(c); }
bool is_identifier_start(int32_t c) { return c == '_' || is_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL; }
bool is_identifier_part(int32_t c) { return is_identifier_start(c) || is_decimal(c); }

std::string to_upper(std::string_view text) {
  return map_text(text, [](std::string& out, size_t, CodePoint c) { append_upper(out, c.value); });
}

std::string to_lower(std::string_view text) {
  return map_text(text, [text](std::string& out, size_t pos, CodePoint c) { append_lower(out, text, pos, c); });
}

std::string to_title(std::string_view text) {
  bool inside = false;
  return map_text(text, [text, inside](std::string& out, size_t pos, CodePoint c) mutable {
    inside ? append_lower(out, text, pos, c) : append_title(out, c.value);
    inside = is_cased(c.value);
  });
}

std::string capitalize(std::string_view text) {
  return map_text(text, [text](std::string& out, size_t pos, CodePoint c) {
    pos == 0 ? append_title(out, c.value) : append_lower(out, text, pos, c);
  });
}

std::string swap_case(std::string_view text) {
  return map_text(text, [text](std::string& out, size_t pos, CodePoint c) {
    if (is_upper(c.value)) {
      append_lower(out, text, pos, c);
    } else if (is_lower(c.value)) {
      append_upper(out, c.value);
    } else {
      out.append(text.substr(pos, c.bytes));
    }
  });
}

std::string case_fold(std::string_view text) {
  return map_text(text, [](std::string& out, size_t, CodePoint c) {
    std::array<utf8proc_int32_t, 8> folded{};
    int boundary = 0;
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        c.value, folded.data(), static_cast<utf8proc_ssize_t>(folded.size()), UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < n; ++i)
      append_code_point(out, static_cast<uint32_t>(folded[static_cast<size_t>(i)]));
  });
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = code_point_at(text, 0);
    if (!is_space(c.value)) break;
    text.remove_prefix(c.bytes);
  }
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = code_point_before(text, text.size());
    if (!is_space(c.value)) break;
    text.remove_suffix(c.bytes);
  }
  return text;
}

}  // namespace tercet::chat
