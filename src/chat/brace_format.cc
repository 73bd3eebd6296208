// str.format.
#include <algorithm>

#include "chat/format.h"
#include "chat/format_spec.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

class BraceFormat {
 public:
  BraceFormat(Runtime& rt, const Value& format, const CallArgs& args)
      : rt_(rt), markup_(format.is_markup()), args_(args) {}

  Result<std::string> run(std::string_view format, int depth);

 private:
  Result<Value> field(std::string_view path);
  Result<std::string> replacement(std::string_view body, int depth);
  Result<std::string> convert(const Value& value, std::string_view spec_text);

  Runtime& rt_;
  bool markup_;
  const CallArgs& args_;
  size_t n_auto_ = 0;
  bool numbered_ = false;
};

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<Value> BraceFormat::field(std::string_view path) {
  const size_t end = std::min(path.find_first_of(".["), path.size());
  const std::string_view first = path.substr(0, end);
  Value value;
  if (first.empty() || all_digits(first)) {
    if (first.empty() == numbered_ && (numbered_ || n_auto_ > 0 || !first.empty()) && first.empty()) {
      return wrong("format: numbered and unnumbered fields are mixed");
    }
    if (!first.empty() && n_auto_ > 0) return wrong("format: numbered and unnumbered fields are mixed");
    numbered_ = numbered_ || !first.empty();
    if (first.size() > 9) return wrong("format: field {} is too far", first);
    const size_t index = first.empty() ? n_auto_++ : static_cast<size_t>(std::stoul(std::string(first)));
    if (index >= args_.positional.size()) return wrong("format: there is no argument {}", index);
    value = args_.positional[index];
  } else {
    const Value* named = args_.find(first);
    if (named == nullptr) return wrong("format: there is no argument '{}'", first);
    value = *named;
  }
  for (size_t at = end; at < path.size();) {
    if (path[at] == '.') {
      const size_t stop = std::min(path.find_first_of(".[", at + 1), path.size());
      if (stop == at + 1) return wrong("format: an empty attribute");
      ASSIGN_OR_RETURN(value, rt_.attribute(value, path.substr(at + 1, stop - at - 1)));
      at = stop;
      continue;
    }
    const size_t stop = path.find(']', at);
    if (path[at] != '[' || stop == std::string_view::npos || stop == at + 1) return wrong("format: a broken field");
    const std::string_view key = path.substr(at + 1, stop - at - 1);
    if (all_digits(key) && key.size() < 10) {
      ASSIGN_OR_RETURN(value, rt_.item(value, Value(Int{std::stol(std::string(key))})));
    } else {
      ASSIGN_OR_RETURN(const Value name, rt_.string(std::string(key)));
      ASSIGN_OR_RETURN(value, rt_.item(value, name));
    }
    at = stop + 1;
  }
  return value;
}

// The mini-language: [[fill]align][sign][#][0][width][grouping][.precision][type].
Result<Spec> parse_spec(std::string_view text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t at = 0;
  const size_t fill_bytes = text.empty() ? 0 : code_point_at(text, 0).bytes;
  if (fill_bytes < text.size() && fill_bytes > 0 && is_align(text[fill_bytes])) {
    spec.fill = text.substr(0, fill_bytes);
    spec.align = text[fill_bytes];
    at = fill_bytes + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    at = 1;
  }
  const auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ') spec.sign = text[at++];
  if (peek() == '#') spec.alternate = ++at > 0;
  if (peek() == '0' && spec.align == '\0') {
    spec.fill.assign(1, '0');
    spec.align = '=';
    ++at;
  }
  const auto number = [&]() -> Int {
    Int value = 0;
    while (peek() >= '0' && peek() <= '9' && value <= kMaxWidth) value = value * 10 + (text[at++] - '0');
    return value;
  };
  spec.width = number();
  if (peek() == ',' || peek() == '_') spec.grouping = text[at++];
  if (peek() == '.') {
    ++at;
    if (peek() < '0' || peek() > '9') return wrong("format: a precision is missing");
    spec.precision = number();
  }
  if (spec.width > kMaxWidth || spec.precision > kMaxWidth)
    return error(Code::kLimit, "format: a field over {} wide", kMaxWidth);
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) return wrong("format: '{}' is no format specification", text);
  return spec;
}

Result<std::string> BraceFormat::convert(const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return rt_.text(value);
  ASSIGN_OR_RETURN(const Spec spec, parse_spec(spec_text));
  if (value.is<Str>()) {
    if ((spec.type != '\0' && spec.type != 's') || spec.sign != '-' || spec.alternate || spec.grouping != '\0' ||
        (spec.align == '=' && spec.fill != "0")) {
      return wrong("format: '{}' is not for a str", spec_text);
    }
    Spec plain = spec;
    if (spec.align == '=') plain.align = '<';
    return pad(cut(*value.text(), spec.precision), plain, '<');
  }
  const std::optional<Int> integer = value.as_int();
  const bool as_int =
      integer && (spec.type == '\0' || std::string_view("bcdoxXn").find(spec.type) != std::string_view::npos);
  if (as_int) {
    if (spec.precision >= 0) return wrong("format: '{}' is not for an int", spec_text);
    if (spec.type == 'c') {
      std::string character;
      if (*integer < 0 || *integer > 0x10ffff || !append_code_point(character, static_cast<uint32_t>(*integer))) {
        return wrong("format: {} is no character", *integer);
      }
      return pad(std::move(character), spec, '>');
    }
    return pad(format_int(*integer, spec), spec, '>');
  }
  const bool as_float = value.as_number() &&
                        (spec.type == '\0' || std::string_view("eEfFgGn%").find(spec.type) != std::string_view::npos);
  if (!as_float) return wrong("format: '{}' is not for a value of type {}", spec_text, type_name(value));
  ASSIGN_OR_RETURN(std::string text, format_float(*value.as_number(), spec));
  return pad(std::move(text), spec, '>');
}

Result<std::string> BraceFormat::replacement(std::string_view body, int depth) {
  size_t end = 0;  // of the path: a ':' or '!' outside of brackets
  for (bool in_brackets = false; end < body.size(); ++end) {
    if (body[end] == '[') in_brackets = true;
    if (body[end] == ']') in_brackets = false;
    if (!in_brackets && (body[end] == ':' || body[end] == '!')) break;
  }
  ASSIGN_OR_RETURN(Value value, field(body.substr(0, end)));
  std::string_view rest = body.substr(end);
  if (rest.starts_with('!')) {
    const char conversion = rest.size() > 1 ? rest[1] : '\0';
    if (conversion != 's' && conversion != 'r') return wrong("format: unknown conversion '{}'", rest.substr(0, 2));
    if (rest.size() > 2 && rest[2] != ':') return wrong("format: want ':' after the conversion");
    ASSIGN_OR_RETURN(std::string text, conversion == 's' ? rt_.text(value) : to_repr(value, rt_.budget()));
    ASSIGN_OR_RETURN(value, rt_.string(std::move(text)));
    rest.remove_prefix(2);
  }
  std::string spec;
  if (rest.starts_with(':')) {
    ASSIGN_OR_RETURN(spec, run(rest.substr(1), depth + 1));
  }
  ASSIGN_OR_RETURN(const std::string text, convert(value, spec));
  return markup_ && depth == 0 && !value.is_markup() ? escape_html(text) : text;
}

Result<std::string> BraceFormat::run(std::string_view format, int depth) {
  if (depth > 1) return wrong("format: fields nest too deeply");
  std::string out;
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (at < format.size() && format[at] == c) {
      out += format[at++];
      continue;
    }
    if (c == '}') return wrong("format: a single '}}'");
    size_t end = at;
    for (int open = 1; end < format.size(); ++end) {
      open += format[end] == '{' ? 1 : (format[end] == '}' ? -1 : 0);
      if (open == 0) break;
    }
    if (end == format.size()) return wrong("format: a field has no end");
    ASSIGN_OR_RETURN(const std::string text, replacement(format.substr(at, end - at), depth));
    out += text;
    RETURN_IF_ERROR(rt_.budget().spend(1 + text.size() / 64));
    RETURN_IF_ERROR(rt_.budget().fits(out.size()));
    at = end + 1;
  }
  return out;
}

}  // namespace

Result<Value> brace_format(Runtime& rt, const Value& format, const CallArgs& args) {
  BraceFormat formatter(rt, format, args);
  ASSIGN_OR_RETURN(std::string text, formatter.run(*format.text(), 0));
  return rt.string(std::move(text), format.is_markup());
}

}  // namespace tercet::chat
