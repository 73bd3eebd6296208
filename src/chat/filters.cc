// Filters on single values: text, numbers, JSON.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "chat/builtins.h"
#include "chat/format.h"
#include "chat/methods.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

// markupsafe.soft_str: a str stays what it is, anything else is printed.
Result<Value> soft_text(Runtime& rt, const Value& value) {
  if (value.is<Str>()) return value;
  ASSIGN_OR_RETURN(std::string text, rt.text(value));
  return rt.string(std::move(text));
}

template <auto kFunction>
Result<Value> mapped(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("filter", std::move(args), {}));
  ASSIGN_OR_RETURN(const Value text, soft_text(rt, input));
  RETURN_IF_ERROR(rt.budget().spend(text.text()->size() / 16));
  return rt.string(kFunction(*text.text()), text.is_markup());
}

// jinja2's title: words begin after white space and after - ( { [ <.
std::string title_words(const std::string& text) {
  std::string out;
  std::string word;
  const auto flush = [&] {
    if (word.empty()) return;
    const size_t first = code_point_at(word, 0).bytes;
    out += to_upper(word.substr(0, first)) + to_lower(word.substr(first));
    word.clear();
  };
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    const bool separator =
        is_space(c.value) || c.value == '-' || c.value == '(' || c.value == '{' || c.value == '[' || c.value == '<';
    if (separator) flush();
    (separator ? out : word).append(text, pos, c.bytes);
    pos += c.bytes;
  }
  flush();
  return out;
}

Result<Value> title(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("title", std::move(args), {}));
  ASSIGN_OR_RETURN(const std::string text, rt.text(input));
  return rt.string(title_words(text));
}

Result<Value> trim(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("trim", std::move(args), {"chars"}));
  ASSIGN_OR_RETURN(const Value text, soft_text(rt, input));
  ASSIGN_OR_RETURN(const std::string chars, bound.none(0) ? Result<std::string>("") : bound.string(0));
  return rt.string(std::string(strip(*text.text(), bound.none(0) ? nullptr : &chars, Side::kBoth)), text.is_markup());
}

Result<Value> replace(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("replace", std::move(args), {"old!", "new!", "count"}));
  ASSIGN_OR_RETURN(std::string text, rt.text(input));
  ASSIGN_OR_RETURN(const Value plain, rt.string(std::move(text)));
  ASSIGN_OR_RETURN(const std::string old, rt.text(*bound.get(0)));
  ASSIGN_OR_RETURN(const std::string fresh, rt.text(*bound.get(1)));
  ASSIGN_OR_RETURN(const Int most, bound.none(2) ? Result<Int>(-1) : bound.integer(2, -1));
  return replace_text(rt, plain, old, fresh, most);
}

Result<Value> string(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("string", std::move(args), {}));
  return soft_text(rt, input);
}

Result<Value> safe(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("safe", std::move(args), {}));
  ASSIGN_OR_RETURN(std::string text, rt.text(input));
  return rt.string(std::move(text), true);
}

template <bool kForce>
Result<Value> escape(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("escape", std::move(args), {}));
  if (input.is_markup() && !kForce) return input;
  ASSIGN_OR_RETURN(const std::string text, rt.text(input));
  return rt.string(escape_html(text), true);
}

Result<Value> fallback(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("default", std::move(args), {"default_value", "boolean"}));
  if (!input.is<Undefined>() && !(bound.flag(1, false) && !truthy(input))) return input;
  return bound.has(0) ? Result<Value>(*bound.get(0)) : rt.string("");
}

Result<Value> format(Runtime& rt, const Value& input, CallArgs args) {
  if (!args.positional.empty() && !args.named.empty()) return wrong("format: both positional and named arguments");
  ASSIGN_OR_RETURN(const Value text, soft_text(rt, input));
  if (args.named.empty()) {
    ASSIGN_OR_RETURN(const Value tuple, rt.tuple(std::move(args.positional)));
    return printf_format(rt, text, tuple);
  }
  DictObj dict;
  for (auto& [name, value] : args.named) {
    ASSIGN_OR_RETURN(Value key, rt.string(name));
    RETURN_IF_ERROR(rt.put(dict, std::move(key), std::move(value)));
  }
  ASSIGN_OR_RETURN(const Value mapping, rt.dict(std::move(dict)));
  return printf_format(rt, text, mapping);
}

Result<Value> indent(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("indent", std::move(args), {"width", "first", "blank"}));
  if (input.is<Undefined>()) return tl::make_unexpected(Runtime::undefined_error(input));
  if (!input.is<Str>()) return wrong("indent: a value of type {}, want str", type_name(input));
  std::string indention;
  if (bound.has(0) && bound.get(0)->is<Str>()) {
    indention = *bound.get(0)->text();
  } else {
    ASSIGN_OR_RETURN(const Int width, bound.integer(0, 4));
    if (width > 1'000'000) return error(Code::kLimit, "indent: a width over 1000000");
    indention.assign(static_cast<size_t>(std::max(width, Int{0})), ' ');
  }
  const std::string text = *input.text() + "\n";
  const std::vector<std::string_view> lines = split_lines(text, false);
  const bool blank = bound.flag(2, false);
  std::string out = bound.flag(1, false) ? indention : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += indention;
    out += lines[i];
    RETURN_IF_ERROR(rt.budget().fits(out.size()));
    RETURN_IF_ERROR(rt.budget().spend(1 + indention.size() / 64));
  }
  return rt.string(std::move(out), input.is_markup());
}

Result<Value> center(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("center", std::move(args), {"width"}));
  ASSIGN_OR_RETURN(const Value text, soft_text(rt, input));
  ASSIGN_OR_RETURN(const Int width, bound.integer(0, 80));
  return justify_text(rt, text, width, " ", '^');
}

Result<Value> word_count(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("wordcount", std::move(args), {}));
  ASSIGN_OR_RETURN(const std::string text, rt.text(input));
  int64_t n = 0;
  bool inside = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    n += is_word(c.value) && !inside ? 1 : 0;
    inside = is_word(c.value);
    pos += c.bytes;
  }
  return Value::integer(n);
}

Result<Value> truncate(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bound::bind("truncate", std::move(args), {"length", "killwords", "end", "leeway"}));
  if (!input.is<Str>()) return wrong("truncate: a value of type {}, want str", type_name(input));
  ASSIGN_OR_RETURN(const Int length, bound.integer(0, 255));
  ASSIGN_OR_RETURN(const std::string end, bound.string(2, "..."));
  ASSIGN_OR_RETURN(const Int leeway, bound.none(3) ? Result<Int>(5) : bound.integer(3, 5));
  const auto end_length = static_cast<Int>(count_code_points(end));
  if (length < end_length || leeway < 0) return wrong("truncate: a length under that of the end, or a leeway under 0");
  const std::string& text = *input.text();
  if (static_cast<Int>(*length_of(input)) <= length + leeway) return input;
  std::string head = text.substr(0, byte_offset(text, static_cast<size_t>(length - end_length)));
  if (!bound.flag(1, false)) head = head.substr(0, head.rfind(' '));
  return rt.string(head + end, input.is_markup());
}

std::string percent_encode(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<Value> url_encode(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("urlencode", std::move(args), {}));
  const Dict* dict = input.as<Dict>();
  const bool pairs = dict != nullptr || input.is<Seq>() || input.is<Iter>();
  if (!pairs) {
    ASSIGN_OR_RETURN(const std::string text, rt.text(input));
    return rt.string(percent_encode(text, false));
  }
  std::vector<std::pair<Value, Value>> entries;
  if (dict != nullptr) {
    entries = (*dict)->entries;
  } else {
    ASSIGN_OR_RETURN(const std::vector<Value> items, rt.iterate(input));
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(const std::vector<Value> pair, rt.iterate(item));
      if (pair.size() != 2) return wrong("urlencode: an item of {} values, want 2", pair.size());
      entries.emplace_back(pair[0], pair[1]);
    }
  }
  std::string out;
  for (const auto& [key, value] : entries) {
    ASSIGN_OR_RETURN(const std::string name, rt.text(key));
    ASSIGN_OR_RETURN(const std::string text, rt.text(value));
    if (!out.empty()) out += '&';
    out += percent_encode(name, true) + "=" + percent_encode(text, true);
  }
  return rt.string(std::move(out));
}

// transformers' own tojson: json.dumps with its arguments, nothing escaped for HTML.
Result<Value> json(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bound::bind("tojson", std::move(args), {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (!bound.none(1) && !input.is<Str>()) {  // json.dumps looks at no indent for a str
    if (bound.get(1)->is<Str>()) {
      style.indent = *bound.get(1)->text();
    } else {
      ASSIGN_OR_RETURN(const Int width, bound.integer(1, 0));
      if (width > 1000) return error(Code::kLimit, "tojson: an indent over 1000");
      style.indent = std::string(static_cast<size_t>(std::max(width, Int{0})), ' ');
    }
    style.item_separator = ",";
  }
  if (!bound.none(2)) {
    ASSIGN_OR_RETURN(const std::vector<Value> separators, rt.iterate(*bound.get(2)));
    if (separators.size() != 2 || !separators[0].is<Str>() || !separators[1].is<Str>()) {
      return wrong("tojson: separators are not two str");
    }
    style.item_separator = *separators[0].text();
    style.key_separator = *separators[1].text();
  }
  ASSIGN_OR_RETURN(std::string text, to_json(input, style, rt.budget()));
  return rt.string(std::move(text));
}

// ---- numbers

// Python's int(text, base): white space around, a sign, single underscores between digits, a prefix of the base.
// Errors: kLimit beyond 128 bits. Nothing: no number.
Result<std::optional<Int>> text_to_int(std::string_view text, int base) {
  text = trim_left(trim_right(text));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const char marker = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int marked = marker == 'x' ? 16 : (marker == 'o' ? 8 : (marker == 'b' ? 2 : 0));
  if (marked != 0 && (base == 0 || base == marked)) {
    text.remove_prefix(text.size() > 3 && text[2] == '_' ? 3 : 2);
    base = marked;
  } else if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return std::optional<Int>();
    base = 10;
  }
  Int value = 0;
  bool after_digit = false;
  for (const char c : text) {
    if (c == '_') {
      if (!after_digit) return std::optional<Int>();
      after_digit = false;
      continue;
    }
    const char lower = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9' ? c - '0' : (lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99);
    if (digit >= base) return std::optional<Int>();
    if (__builtin_mul_overflow(value, Int{base}, &value) || __builtin_add_overflow(value, Int{digit}, &value)) {
      return error(Code::kLimit, "an integer is beyond 128 bits");
    }
    after_digit = true;
  }
  if (!after_digit) return std::optional<Int>();
  return std::optional<Int>(negative ? -value : value);
}

std::optional<double> text_to_float(std::string_view text) {
  text = trim_left(trim_right(text));
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_') {
      if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
      continue;
    }
    plain += static_cast<char>(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
  }
  std::string_view digits = plain;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.starts_with('+') || digits.find('(') != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  if (code == std::errc::result_out_of_range) return std::strtod(std::string(digits).c_str(), nullptr);
  if (code != std::errc()) return std::nullopt;
  return value;
}

// int(float); nothing for what is not finite.
Result<std::optional<Int>> float_to_int(double value) {
  if (!std::isfinite(value)) return std::optional<Int>();
  if (std::fabs(value) >= 1.7e38) return error(Code::kLimit, "an integer is beyond 128 bits");
  return std::optional<Int>(static_cast<Int>(value));
}

Result<Value> to_int(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("int", std::move(args), {"default", "base"}));
  if (input.is<Undefined>()) return tl::make_unexpected(Runtime::undefined_error(input));
  const Value otherwise = bound.has(0) ? *bound.get(0) : Value::integer(0);
  if (const std::optional<Int> value = input.as_int()) return Value(*value);
  std::optional<double> real = input.as_number();
  if (const std::string* text = input.text()) {
    RETURN_IF_ERROR(rt.budget().spend(text->size() / 16));
    ASSIGN_OR_RETURN(const Int base, bound.integer(1, 10));
    if (base == 0 || (base >= 2 && base <= 36)) {
      ASSIGN_OR_RETURN(const std::optional<Int> value, text_to_int(*text, static_cast<int>(base)));
      if (value) return Value(*value);
    }
    real = text_to_float(*text);
  } else if (real && std::isinf(*real)) {
    return wrong("int: a float that is not finite");
  }
  if (!real) return Value(otherwise);
  ASSIGN_OR_RETURN(const std::optional<Int> value, float_to_int(*real));
  return value ? Value(*value) : otherwise;
}

Result<Value> to_float(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("float", std::move(args), {"default"}));
  if (input.is<Undefined>()) return tl::make_unexpected(Runtime::undefined_error(input));
  std::optional<double> value = input.as_number();
  if (const std::string* text = input.text()) {
    RETURN_IF_ERROR(rt.budget().spend(text->size() / 16));
    value = text_to_float(*text);
  }
  if (value) return Value(*value);
  return bound.has(0) ? *bound.get(0) : Value(0.0);
}

Result<Value> absolute(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("abs", std::move(args), {}));
  if (const std::optional<Int> value = input.as_int()) return rt.sign(Value(*value), *value < 0);
  if (const double* real = input.as<double>()) return Value(std::fabs(*real));
  return wrong("abs: a value of type {}, want a number", type_name(input));
}

// Rounds in decimal, as the digits of the exact value say: what Python's round does.
double round_decimal(double value, int digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits < 0) {
    if (digits < -308) return std::copysign(0.0, value);
    const double scale = std::pow(10.0, -digits);
    return std::nearbyint(value / scale) * scale;
  }
  double out = 0;
  const std::string text = fmt::format("{:.{}f}", value, digits);
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Result<Value> round(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("round", std::move(args), {"precision", "method"}));
  ASSIGN_OR_RETURN(const Int precision, bound.integer(0, 0));
  ASSIGN_OR_RETURN(const std::string method, bound.string(1, "common"));
  if (method != "common" && method != "ceil" && method != "floor")
    return wrong("round: method '{}', want common, ceil or floor", method);
  if (!input.as_number()) return wrong("round: a value of type {}, want a number", type_name(input));
  const int digits = static_cast<int>(std::clamp(precision, Int{-400}, Int{400}));
  const double value = *input.as_number();
  if (method == "common") {
    if (const std::optional<Int> integer = input.as_int()) {
      if (digits >= 0) return Value(*integer);
      if (digits < -37) return Value(Int{0});
      Int unit = 1;
      for (int i = 0; i < -digits; ++i) unit *= 10;
      Int rest = *integer % unit;
      if (rest < 0) rest += unit;
      const Int low = *integer - rest;
      const bool up = rest > unit - rest || (rest == unit - rest && (low / unit) % 2 != 0);
      return Value(up ? low + unit : low);
    }
    return Value(round_decimal(value, digits));
  }
  ASSIGN_OR_RETURN(const Value scale, rt.binary(BinaryOp::kPow, Value::integer(10), Value(precision)));
  ASSIGN_OR_RETURN(const Value scaled, rt.binary(BinaryOp::kMul, input, scale));
  const double number = *scaled.as_number();
  ASSIGN_OR_RETURN(const std::optional<Int> whole,
                   float_to_int(method == "ceil" ? std::ceil(number) : std::floor(number)));
  if (!whole) return wrong("round: a float that is not finite");
  return rt.binary(BinaryOp::kDiv, Value(*whole), scale);
}

constexpr Filter kFilters[] = {
    {"abs", absolute},
    {"capitalize", mapped<capitalize>},
    {"center", center},
    {"d", fallback},
    {"default", fallback},
    {"e", escape<false>},
    {"escape", escape<false>},
    {"float", to_float},
    {"forceescape", escape<true>},
    {"format", format},
    {"indent", indent},
    {"int", to_int},
    {"lower", mapped<to_lower>},
    {"replace", replace},
    {"round", round},
    {"safe", safe},
    {"string", string},
    {"title", title},
    {"tojson", json},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<to_upper>},
    {"urlencode", url_encode},
    {"wordcount", word_count},
};

}  // namespace

const Filter* find_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [name](const Filter& f) { return f.name == name; });
  return found != std::end(kFilters) ? found : find_sequence_filter(name);
}

}  // namespace tercet::chat
