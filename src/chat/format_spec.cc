#include "chat/format_spec.h"

#include <algorithm>
#include <cmath>

#include "chat/print.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

constexpr int kMaxPrecision = 500;

std::string digits_in_base(Int value, unsigned base, bool upper) {
  if (value == 0) return "0";
  using Unsigned = unsigned __int128;
  Unsigned rest = value < 0 ? Unsigned{0} - static_cast<Unsigned>(value) : static_cast<Unsigned>(value);
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (; rest != 0; rest /= base) out += digits[static_cast<size_t>(rest % base)];
  std::reverse(out.begin(), out.end());
  return out;
}

std::string with_sign(std::string digits, bool negative, char sign) {
  if (negative) {
    digits.insert(0, 1, '-');
  } else if (sign != '-') {
    digits.insert(0, 1, sign);
  }
  return digits;
}

std::string group(std::string digits, char separator, size_t every) {
  size_t whole = digits.find_first_not_of("0123456789abcdefABCDEF");
  if (whole == std::string::npos) whole = digits.size();
  for (size_t i = whole; i > every; i -= every) digits.insert(i - every, 1, separator);
  return digits;
}

}  // namespace

std::string pad(std::string text, const Spec& spec, char default_align) {
  const size_t length = count_code_points(text);
  const auto width = static_cast<size_t>(spec.width);
  if (length >= width) return text;
  const char align = spec.align == '\0' ? default_align : spec.align;
  const size_t missing = width - length;
  const auto fill = [&spec](size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += spec.fill;
    return out;
  };
  if (align == '<') return text + fill(missing);
  if (align == '^') return fill(missing / 2) + text + fill(missing - missing / 2);
  if (align == '=') {
    size_t head = text.find_first_of("-+ ") == 0 ? 1 : 0;
    if (text.size() >= head + 2 && text[head] == '0' &&
        std::string_view("xXobB").find(text[head + 1]) != std::string_view::npos && spec.alternate) {
      head += 2;
    }
    return text.substr(0, head) + fill(missing) + text.substr(head);
  }
  return fill(missing) + text;
}

std::string cut(const std::string& text, Int precision) {
  return precision < 0 ? text : text.substr(0, byte_offset(text, static_cast<size_t>(precision)));
}

std::string format_int(Int value, const Spec& spec) {
  unsigned base = 10;
  if (spec.type == 'x' || spec.type == 'X') base = 16;
  if (spec.type == 'o') base = 8;
  if (spec.type == 'b') base = 2;
  std::string digits = digits_in_base(value, base, spec.type == 'X');
  if (spec.grouping != '\0') digits = group(std::move(digits), spec.grouping, base == 10 ? 3 : 4);
  if (spec.alternate && base != 10) digits.insert(0, std::string{'0', spec.type});
  return with_sign(std::move(digits), value < 0, spec.sign);
}

Result<std::string> format_float(double value, const Spec& spec) {
  const char kind = spec.type == '\0' ? 'g' : spec.type;
  const bool percent = kind == '%';
  const double magnitude = std::fabs(percent ? value * 100 : value);
  if (spec.precision > kMaxPrecision) return error(Code::kLimit, "format: precision over {}", kMaxPrecision);
  std::string digits;
  if (!std::isfinite(magnitude)) {
    digits = std::isnan(magnitude) ? "nan" : "inf";
    if (kind == 'F' || kind == 'E' || kind == 'G') digits = std::isnan(magnitude) ? "NAN" : "INF";
  } else if (spec.type == '\0' && spec.precision < 0) {
    digits = float_text(magnitude);
  } else {
    const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
    const char conversion = percent ? 'f' : (kind == 'n' ? 'g' : kind);
    const std::string pattern = spec.alternate ? fmt::format("{{:#.{}{}}}", precision, conversion)
                                               : fmt::format("{{:.{}{}}}", precision, conversion);
    digits = fmt::format(fmt::runtime(pattern), magnitude);
    // str.format without a type is 'g' that still shows that it is a float.
    if (spec.type == '\0' && digits.find_first_of(".e") == std::string::npos) digits += ".0";
  }
  if (spec.grouping != '\0') digits = group(std::move(digits), spec.grouping, 3);
  if (percent) digits += '%';
  return with_sign(std::move(digits), std::signbit(value) && !std::isnan(value), spec.sign);
}

}  // namespace tercet::chat
