// Literals of a template: strings with Python's escapes, and numbers.
#include <charconv>

#include "chat/parser.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

using Text = tl::expected<std::string, std::string>;

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// \xhh, \uhhhh, \Uhhhhhhhh: `at` stands on the first digit.
tl::expected<uint32_t, std::string> hex_escape(std::string_view text, size_t& at, int n_digit) {
  uint32_t value = 0;
  for (int i = 0; i < n_digit; ++i, ++at) {
    const int digit = at < text.size() ? digit_value(text[at]) : 99;
    if (digit >= 16) return tl::make_unexpected(fmt::format("an escape wants {} hexadecimal digits", n_digit));
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

uint32_t octal_escape(std::string_view text, size_t& at) {
  uint32_t value = 0;
  for (int i = 0; i < 3 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i, ++at) {
    value = value * 8 + static_cast<uint32_t>(text[at] - '0');
  }
  return value;
}

char simple_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return '\0';
  }
}

// What follows a backslash that stands before `at`.
tl::expected<void, std::string> escape(std::string_view text, size_t& at, std::string& out) {
  const char c = text[at];
  if (c == '\n') {
    ++at;
    return {};
  }
  if (const char simple = simple_escape(c)) {
    out += simple;
    ++at;
    return {};
  }
  if (c == 'N') return tl::make_unexpected(std::string("the escape \\N is not supported"));
  uint32_t value = 0;
  if (c == 'x' || c == 'u' || c == 'U') {
    ++at;
    auto hex = hex_escape(text, at, c == 'x' ? 2 : (c == 'u' ? 4 : 8));
    if (!hex) return tl::make_unexpected(std::move(hex).error());
    value = *hex;
  } else if (c >= '0' && c <= '7') {
    value = octal_escape(text, at);
  } else {
    // jinja2 escapes what is not ASCII before it resolves escapes, so that this backslash falls to that one's.
    const CodePoint point = code_point_at(text, at);
    out += '\\';
    if (point.value < 0x80) {
      out.append(text.substr(at, point.bytes));
    } else if (point.value < 0x100) {
      out += fmt::format("x{:02x}", point.value);
    } else {
      out += point.value < 0x10000 ? fmt::format("u{:04x}", point.value) : fmt::format("U{:08x}", point.value);
    }
    at += point.bytes;
    return {};
  }
  if (!append_code_point(out, value)) return tl::make_unexpected(std::string("an escape names no character"));
  return {};
}

}  // namespace

Text unescape(std::string_view literal) {
  const std::string_view text = literal.substr(1, literal.size() - 2);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      out += text[at++];
      continue;
    }
    ++at;
    if (auto done = escape(text, at, out); !done) return tl::make_unexpected(std::move(done).error());
  }
  return out;
}

tl::expected<Value, std::string> parse_number(const Token& token) {
  std::string digits;
  for (const char c : token.text) {
    if (c != '_') digits += c;
  }
  if (token.kind == Tok::kFloat) {
    double value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    // Out of range: Python makes it infinite, or zero.
    if (code == std::errc::result_out_of_range) value = std::strtod(digits.c_str(), nullptr);
    return Value(value);
  }
  int base = 10;
  size_t at = 0;
  if (digits.size() > 2 && digits[0] == '0') {
    const char marker = static_cast<char>(digits[1] | 0x20);
    base = marker == 'x' ? 16 : (marker == 'o' ? 8 : (marker == 'b' ? 2 : 10));
    if (base != 10) at = 2;
  }
  Int value = 0;
  for (; at < digits.size(); ++at) {
    if (__builtin_mul_overflow(value, Int{base}, &value) ||
        __builtin_add_overflow(value, Int{digit_value(digits[at])}, &value)) {
      return tl::make_unexpected(fmt::format("the integer {} is beyond 128 bits", digits.substr(0, 60)));
    }
  }
  return Value(value);
}

Value constant_string(std::string text) {
  auto str = std::make_shared<StrObj>();
  for (const char c : text) str->ascii = str->ascii && static_cast<unsigned char>(c) < 0x80;
  str->text = std::move(text);
  return Value(Str(std::move(str)));
}

}  // namespace tercet::chat
