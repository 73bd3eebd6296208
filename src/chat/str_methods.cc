// Methods of str.
#include <algorithm>

#include "chat/format.h"
#include "chat/methods.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

const std::string& text_of(const Value& self) { return *self.text(); }

Result<Value> same_kind(Runtime& rt, const Value& self, std::string text) {
  return rt.string(std::move(text), self.is_markup());
}

Result<Value> same_kind(Runtime& rt, const Value& self, std::string_view text) {
  return same_kind(rt, self, std::string(text));
}

// What is put into Markup is escaped.
std::string put_into(const Value& self, const Value& argument) {
  return self.is_markup() && !argument.is_markup() ? escape_html(*argument.text()) : *argument.text();
}

Status no_arguments(std::string_view name, const CallArgs& args) {
  if (args.positional.empty() && args.named.empty()) return {};
  return wrong("str.{}: it takes no arguments", name);
}

template <auto kFunction>
Result<Value> mapped(Runtime& rt, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(no_arguments("method", args));
  RETURN_IF_ERROR(rt.budget().spend(text_of(self).size() / 16));
  return same_kind(rt, self, kFunction(text_of(self)));
}

// str.isX: every character has the property and there is one.
template <bool (*kProperty)(int32_t)>
Result<Value> every(Runtime&, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(no_arguments("method", args));
  const std::string& text = text_of(self);
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (!kProperty(c.value)) return Value(false);
    pos += c.bytes;
  }
  return Value(!text.empty());
}

bool is_alnum(int32_t c) { return is_alpha(c) || is_numeric(c); }

bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// str.isupper and str.islower: no character of the other case, and one of this.
template <bool (*kWanted)(int32_t), bool (*kOther)(int32_t)>
Result<Value> cased(Runtime&, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(no_arguments("method", args));
  const std::string& text = text_of(self);
  bool seen = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (kOther(c.value) || is_title(c.value)) return Value(false);
    seen = seen || kWanted(c.value);
    pos += c.bytes;
  }
  return Value(seen);
}

Result<Value> is_titled(Runtime&, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(no_arguments("istitle", args));
  const std::string& text = text_of(self);
  bool seen = false;
  bool inside = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    const bool upper = is_upper(c.value) || is_title(c.value);
    if (upper ? inside : (is_lower(c.value) && !inside)) return Value(false);
    inside = upper || is_lower(c.value);
    seen = seen || inside;
    pos += c.bytes;
  }
  return Value(seen);
}

Result<Value> is_identifier(Runtime&, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(no_arguments("isidentifier", args));
  const std::string& text = text_of(self);
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (!(pos == 0 ? is_identifier_start(c.value) : is_identifier_part(c.value))) return Value(false);
    pos += c.bytes;
  }
  return Value(!text.empty());
}

template <Side kSide>
Result<Value> stripped(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.strip", std::move(args), {"chars", "/"}));
  ASSIGN_OR_RETURN(const std::string chars, bound.none(0) ? Result<std::string>("") : bound.string(0));
  return same_kind(rt, self, strip(text_of(self), bound.none(0) ? nullptr : &chars, kSide));
}

Result<Value> list_of(Runtime& rt, const Value& self, const std::vector<std::string_view>& parts, bool tuple = false) {
  std::vector<Value> items;
  for (const std::string_view part : parts) {
    ASSIGN_OR_RETURN(Value item, same_kind(rt, self, part));
    items.push_back(std::move(item));
  }
  return tuple ? rt.tuple(std::move(items)) : rt.list(std::move(items));
}

std::vector<std::string_view> split_words(std::string_view text, Int most) {
  std::vector<std::string_view> parts;
  text = trim_left(text);
  while (!text.empty()) {
    if (most >= 0 && static_cast<Int>(parts.size()) == most) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(code_point_at(text, end).value)) end += code_point_at(text, end).bytes;
    parts.push_back(text.substr(0, end));
    text = trim_left(text.substr(end));
  }
  return parts;
}

std::vector<std::string_view> split_words_from_right(std::string_view text, Int most) {
  std::vector<std::string_view> parts;
  text = trim_right(text);
  while (!text.empty()) {
    if (most >= 0 && static_cast<Int>(parts.size()) == most) {
      parts.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0 && !is_space(code_point_before(text, begin).value)) begin -= code_point_before(text, begin).bytes;
    parts.push_back(text.substr(begin));
    text = trim_right(text.substr(0, begin));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, Int most) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<Int>(parts.size()) < most) {
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_at_from_right(std::string_view text, std::string_view separator, Int most) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<Int>(parts.size()) < most) {
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool kFromRight>
Result<Value> split(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.split", std::move(args), {"sep", "maxsplit"}));
  ASSIGN_OR_RETURN(const Int most, bound.integer(1, -1));
  RETURN_IF_ERROR(rt.budget().spend(text_of(self).size() / 16));
  if (bound.none(0)) {
    return list_of(rt, self,
                   kFromRight ? split_words_from_right(text_of(self), most) : split_words(text_of(self), most));
  }
  ASSIGN_OR_RETURN(const std::string separator, bound.string(0));
  if (separator.empty()) return wrong("str.split: the separator is empty");
  return list_of(
      rt, self,
      kFromRight ? split_at_from_right(text_of(self), separator, most) : split_at(text_of(self), separator, most));
}

Result<Value> lines(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.splitlines", std::move(args), {"keepends"}));
  return list_of(rt, self, split_lines(text_of(self), bound.flag(0, false)));
}

template <bool kFromRight>
Result<Value> partition(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.partition", std::move(args), {"sep!", "/"}));
  ASSIGN_OR_RETURN(const std::string separator, bound.string(0));
  if (separator.empty()) return wrong("str.partition: the separator is empty");
  const std::string_view text = text_of(self);
  const size_t at = kFromRight ? text.rfind(separator) : text.find(separator);
  if (at == std::string_view::npos) {
    if (kFromRight) return list_of(rt, self, {"", "", text}, true);
    return list_of(rt, self, {text, "", ""}, true);
  }
  return list_of(rt, self, {text.substr(0, at), separator, text.substr(at + separator.size())}, true);
}

// The bytes of text[start:end], and where they begin.
struct Window {
  std::string_view text;
  size_t begin = 0;
  bool possible = true;  // false: start lies behind the end, so that not even "" is there
};

Result<Window> window(const std::string& text, const Bound& bound, size_t start_index) {
  const auto length = static_cast<Int>(count_code_points(text));
  const auto place = [&](size_t i, Int fallback) -> Result<Int> {
    if (bound.none(i)) return fallback;
    ASSIGN_OR_RETURN(const Int index, bound.integer(i, fallback));
    return index < 0 ? std::max(index + length, Int{0}) : index;
  };
  ASSIGN_OR_RETURN(const Int start, place(start_index, 0));
  ASSIGN_OR_RETURN(Int stop, place(start_index + 1, length));
  stop = std::min(stop, length);
  if (start > stop) return Window{{}, 0, false};
  const size_t begin = byte_offset(text, static_cast<size_t>(start));
  const size_t end = byte_offset(text, static_cast<size_t>(stop));
  return Window{std::string_view(text).substr(begin, end - begin), begin, true};
}

template <bool kEnd>
Result<Value> affix(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind(kEnd ? "str.endswith" : "str.startswith", std::move(args),
                                                  {"affix!", "start", "end", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(text_of(self).size() / 64));
  ASSIGN_OR_RETURN(const Window part, window(text_of(self), bound, 1));
  std::vector<Value> candidates{*bound.get(0)};
  if (const Seq* tuple = bound.get(0)->as<Seq>(); tuple != nullptr && (*tuple)->kind == SeqKind::kTuple) {
    candidates = (*tuple)->items;
  }
  bool found = false;
  for (const Value& candidate : candidates) {
    const std::string* affix = candidate.text();
    if (affix == nullptr)
      return wrong("str.startswith, endswith: want str or a tuple of str, not {}", type_name(candidate));
    found = found || (part.possible && (kEnd ? part.text.ends_with(*affix) : part.text.starts_with(*affix)));
  }
  return Value(found);
}

template <bool kFromRight, bool kMust>
Result<Value> find(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.find", std::move(args), {"sub!", "start", "end", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(text_of(self).size() / 64));
  ASSIGN_OR_RETURN(const std::string wanted, bound.string(0));
  ASSIGN_OR_RETURN(const Window part, window(text_of(self), bound, 1));
  const size_t at =
      !part.possible ? std::string_view::npos : (kFromRight ? part.text.rfind(wanted) : part.text.find(wanted));
  if (at != std::string_view::npos) {
    return Value::integer(
        static_cast<int64_t>(count_code_points(std::string_view(text_of(self)).substr(0, part.begin + at))));
  }
  if (kMust) return wrong("str.index: the substring is not there");
  return Value::integer(-1);
}

Result<Value> count(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.count", std::move(args), {"sub!", "start", "end", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(text_of(self).size() / 64));
  ASSIGN_OR_RETURN(const std::string wanted, bound.string(0));
  ASSIGN_OR_RETURN(const Window part, window(text_of(self), bound, 1));
  if (!part.possible) return Value::integer(0);
  if (wanted.empty()) return Value::integer(static_cast<int64_t>(count_code_points(part.text)) + 1);
  int64_t n = 0;
  for (size_t at = part.text.find(wanted); at != std::string_view::npos;
       at = part.text.find(wanted, at + wanted.size()))
    ++n;
  return Value::integer(n);
}

Result<Value> replace(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.replace", std::move(args), {"old!", "new!", "count", "/"}));
  ASSIGN_OR_RETURN(const std::string old, bound.string(0));
  RETURN_IF_ERROR(bound.string(1));
  ASSIGN_OR_RETURN(const Int most, bound.integer(2, -1));
  return replace_text(rt, self, old, put_into(self, *bound.get(1)), most);
}

Result<Value> join(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.join", std::move(args), {"iterable!", "/"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, rt.iterate(*bound.get(0)));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].text() == nullptr && !self.is_markup())
      return wrong("str.join: item {} is of type {}, want str", i, type_name(items[i]));
    ASSIGN_OR_RETURN(const std::string text, rt.text(items[i]));
    if (i > 0) out += text_of(self);
    out += self.is_markup() && !items[i].is_markup() ? escape_html(text) : text;
    RETURN_IF_ERROR(rt.budget().fits(out.size()));
  }
  return same_kind(rt, self, std::move(out));
}

template <bool kSuffix>
Result<Value> remove_affix(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.removeprefix", std::move(args), {"affix!", "/"}));
  ASSIGN_OR_RETURN(const std::string affix, bound.string(0));
  std::string_view text = text_of(self);
  if (!affix.empty() && (kSuffix ? text.ends_with(affix) : text.starts_with(affix))) {
    kSuffix ? text.remove_suffix(affix.size()) : text.remove_prefix(affix.size());
  }
  return same_kind(rt, self, text);
}

// str.ljust, rjust and center.
template <char kAlign>
Result<Value> justify(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.ljust", std::move(args), {"width!", "fillchar", "/"}));
  ASSIGN_OR_RETURN(const Int width, bound.integer(0, 0));
  ASSIGN_OR_RETURN(const std::string fill, bound.string(1, " "));
  if (count_code_points(fill) != 1) return wrong("str.ljust: the fill is not one character");
  return justify_text(rt, self, width, bound.has(1) ? put_into(self, *bound.get(1)) : fill, kAlign);
}

Result<Value> zfill(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.zfill", std::move(args), {"width!", "/"}));
  ASSIGN_OR_RETURN(const Int width, bound.integer(0, 0));
  const std::string& text = text_of(self);
  const Int missing = width - static_cast<Int>(count_code_points(text));
  if (missing <= 0) return same_kind(rt, self, text);
  RETURN_IF_ERROR(rt.budget().fits(missing > (Int{1} << 60) ? uint64_t{1} << 60 : static_cast<uint64_t>(missing)));
  const size_t head = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  return same_kind(rt, self, text.substr(0, head) + std::string(static_cast<size_t>(missing), '0') + text.substr(head));
}

Result<Value> expand_tabs(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("str.expandtabs", std::move(args), {"tabsize"}));
  ASSIGN_OR_RETURN(const Int size, bound.integer(0, 8));
  if (size > 1000) return error(Code::kLimit, "str.expandtabs: tabs over 1000 wide");
  const std::string& text = text_of(self);
  std::string out;
  Int column = 0;
  for (const char c : text) {
    if (c == '\t') {
      const Int blanks = size > 0 ? size - column % size : 0;
      RETURN_IF_ERROR(rt.budget().fits(out.size() + static_cast<uint64_t>(blanks)));
      out.append(static_cast<size_t>(blanks), ' ');
      column += blanks;
      continue;
    }
    out += c;
    if (c == '\n' || c == '\r') {
      column = 0;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++column;
    }
  }
  return same_kind(rt, self, std::move(out));
}

Result<Value> format(Runtime& rt, const Value& self, CallArgs args) { return brace_format(rt, self, args); }

constexpr Method kStrMethods[] = {
    {"capitalize", mapped<capitalize>},
    {"casefold", mapped<case_fold>},
    {"center", justify<'^'>},
    {"count", count},
    {"endswith", affix<true>},
    {"expandtabs", expand_tabs},
    {"find", find<false, false>},
    {"format", format},
    {"index", find<false, true>},
    {"isalnum", every<is_alnum>},
    {"isalpha", every<is_alpha>},
    {"isascii", [](Runtime&, const Value& self, CallArgs) -> Result<Value> { return Value(all_ascii(text_of(self))); }},
    {"isdecimal", every<is_decimal>},
    {"isdigit", every<is_digit>},
    {"isidentifier", is_identifier},
    {"islower", cased<is_lower, is_upper>},
    {"isnumeric", every<is_numeric>},
    {"isprintable",
     [](Runtime& rt, const Value& self, CallArgs args) -> Result<Value> {
       if (text_of(self).empty()) return Value(true);
       return every<is_printable>(rt, self, std::move(args));
     }},
    {"isspace", every<is_space>},
    {"istitle", is_titled},
    {"isupper", cased<is_upper, is_lower>},
    {"join", join},
    {"ljust", justify<'<'>},
    {"lower", mapped<to_lower>},
    {"lstrip", stripped<Side::kLeft>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", justify<'>'>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", stripped<Side::kRight>},
    {"split", split<false>},
    {"splitlines", lines},
    {"startswith", affix<false>},
    {"strip", stripped<Side::kBoth>},
    {"swapcase", mapped<swap_case>},
    {"title", mapped<to_title>},
    {"upper", mapped<to_upper>},
    {"zfill", zfill},
};

}  // namespace

std::span<const Method> str_methods() { return kStrMethods; }

std::string_view strip(std::string_view text, const std::string* chars, Side side) {
  if (chars == nullptr) {
    if (side != Side::kRight) text = trim_left(text);
    return side == Side::kLeft ? text : trim_right(text);
  }
  const auto listed = [chars](std::string_view one) {
    for (size_t at = chars->find(one); at != std::string::npos; at = chars->find(one, at + 1)) {
      if (code_point_at(*chars, at).bytes == one.size()) return true;
    }
    return false;
  };
  while (side != Side::kRight && !text.empty()) {
    const std::string_view one = text.substr(0, code_point_at(text, 0).bytes);
    if (!listed(one)) break;
    text.remove_prefix(one.size());
  }
  while (side != Side::kLeft && !text.empty()) {
    const std::string_view one = text.substr(text.size() - code_point_before(text, text.size()).bytes);
    if (!listed(one)) break;
    text.remove_suffix(one.size());
  }
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  const auto is_break = [](int32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    size_t next = pos + c.bytes;
    if (is_break(c.value)) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(begin, (keep_ends ? next : pos) - begin));
      begin = next;
    }
    pos = next;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

Result<Value> replace_text(Runtime& rt, const Value& self, const std::string& old, const std::string& fresh, Int most) {
  const std::string& text = text_of(self);
  RETURN_IF_ERROR(rt.budget().spend(text.size() / 16));
  std::string out;
  size_t pos = 0;
  Int done = 0;
  for (; most < 0 || done < most; ++done) {
    const size_t at = old.empty() ? pos : text.find(old, pos);
    if (at == std::string::npos) break;
    out.append(text, pos, at - pos);
    out += fresh;
    RETURN_IF_ERROR(rt.budget().fits(out.size()));
    RETURN_IF_ERROR(rt.budget().spend(1 + fresh.size() / 64));
    pos = at + old.size();
    if (!old.empty()) continue;
    // An empty text is replaced before each character and at the end.
    if (pos == text.size()) return same_kind(rt, self, std::move(out));
    const size_t bytes = code_point_at(text, pos).bytes;
    out.append(text, pos, bytes);
    pos += bytes;
  }
  out.append(text, pos, std::string::npos);
  return same_kind(rt, self, std::move(out));
}

Result<Value> justify_text(Runtime& rt, const Value& self, Int width, const std::string& fill, char align) {
  const std::string& text = text_of(self);
  const auto length = static_cast<Int>(*length_of(self));
  if (width <= length) return same_kind(rt, self, text);
  const Int missing = width - length;
  RETURN_IF_ERROR(
      rt.budget().fits(missing > (Int{1} << 58) ? uint64_t{1} << 60 : static_cast<uint64_t>(missing) * fill.size()));
  const auto blanks = [&fill](Int n) {
    std::string out;
    for (Int i = 0; i < n; ++i) out += fill;
    return out;
  };
  if (align == '<') return same_kind(rt, self, text + blanks(missing));
  if (align == '>') return same_kind(rt, self, blanks(missing) + text);
  // Python puts the odd blank to the left when the width is odd.
  const Int left = missing / 2 + (missing & width & 1);
  return same_kind(rt, self, blanks(left) + text + blanks(missing - left));
}

}  // namespace tercet::chat
