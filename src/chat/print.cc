#include "chat/print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "chat/unicode.h"

namespace tercet::chat {
namespace {

// Deeper than any list: namespaces in namespaces.
constexpr int kMaxPrintDepth = kMaxValueDepth + 20;

class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  Status repr(const Value& value, int depth = 0);
  std::string take() { return std::move(out_); }

 private:
  Status seq(const SeqObj& seq, int depth);
  Status items(const std::vector<Value>& items, int depth);
  Status dict(const std::vector<std::pair<Value, Value>>& entries, int depth);
  Status name_space(const NamespaceObj& space, int depth);
  void opaque(const Value& value);

  Budget& budget_;
  std::string out_;
  std::vector<const NamespaceObj*> open_;  // being printed: a namespace can hold itself
};

Status Printer::items(const std::vector<Value>& items, int depth) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out_ += ", ";
    RETURN_IF_ERROR(repr(items[i], depth + 1));
  }
  return {};
}

Status Printer::dict(const std::vector<std::pair<Value, Value>>& entries, int depth) {
  out_ += '{';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out_ += ", ";
    RETURN_IF_ERROR(repr(entries[i].first, depth + 1));
    out_ += ": ";
    RETURN_IF_ERROR(repr(entries[i].second, depth + 1));
  }
  out_ += '}';
  return {};
}

Status Printer::name_space(const NamespaceObj& space, int depth) {
  if (std::find(open_.begin(), open_.end(), &space) != open_.end()) {
    out_ += "<Namespace {...}>";
    return {};
  }
  open_.push_back(&space);
  out_ += "<Namespace {";
  for (size_t i = 0; i < space.attributes.size(); ++i) {
    if (i > 0) out_ += ", ";
    out_ += string_repr(space.attributes[i].first) + ": ";
    RETURN_IF_ERROR(repr(space.attributes[i].second, depth + 1));
  }
  out_ += "}>";
  open_.pop_back();
  return {};
}

Status Printer::seq(const SeqObj& seq, int depth) {
  struct Brackets {
    const char* open;
    const char* close;
  };
  static constexpr Brackets kBrackets[] = {
      {"[", "]"}, {"(", ")"}, {"range(", ")"}, {"dict_keys([", "])"}, {"dict_values([", "])"}, {"dict_items([", "])"},
      {"(", ")"}};
  const Brackets& brackets = kBrackets[static_cast<size_t>(seq.kind)];
  out_ += brackets.open;
  if (seq.kind == SeqKind::kRange) {
    out_ += int_text(seq.start) + ", " + int_text(seq.stop);
    if (seq.step != 1) out_ += ", " + int_text(seq.step);
  } else {
    RETURN_IF_ERROR(items(seq.items, depth));
    if (seq.kind == SeqKind::kTuple && seq.items.size() == 1) out_ += ',';
  }
  out_ += brackets.close;
  return {};
}

// Python prints an address here, which no template can mean to say.
void Printer::opaque(const Value& value) {
  if (const Callable* callable = value.as<Callable>()) {
    out_ +=
        (*callable)->macro ? "<Macro " + string_repr((*callable)->name) + ">" : "<function " + (*callable)->name + ">";
  } else if (const Loop* loop = value.as<Loop>()) {
    out_ += fmt::format("<LoopContext {}/{}>", (*loop)->index0 + 1, (*loop)->items.size());
  } else {
    out_ += "<generator object>";
  }
}

Status Printer::repr(const Value& value, int depth) {
  RETURN_IF_ERROR(budget_.spend(1));
  RETURN_IF_ERROR(budget_.fits(out_.size()));
  if (depth > kMaxPrintDepth) {
    return error(Code::kLimit, "the limit kMaxValueDepth ({}) is reached: the value nests too deeply", kMaxValueDepth);
  }
  if (value.is<Undefined>()) {
    out_ += "Undefined";
  } else if (value.is<None>()) {
    out_ += "None";
  } else if (const bool* flag = value.as<bool>()) {
    out_ += *flag ? "True" : "False";
  } else if (const Int* integer = value.as<Int>()) {
    out_ += int_text(*integer);
  } else if (const double* real = value.as<double>()) {
    out_ += float_text(*real);
  } else if (const std::string* text = value.text()) {
    RETURN_IF_ERROR(budget_.spend(weight_of(value)));
    out_ += value.is_markup() ? "Markup(" + string_repr(*text) + ")" : string_repr(*text);
  } else if (const Seq* list = value.as<Seq>()) {
    return seq(**list, depth);
  } else if (const Dict* map = value.as<Dict>()) {
    return dict((*map)->entries, depth);
  } else if (const Namespace* space = value.as<Namespace>()) {
    return name_space(**space, depth);
  } else {
    opaque(value);
  }
  return {};
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  Status write(const Value& value, size_t level);
  std::string take() { return std::move(out_); }

 private:
  Status array(const std::vector<Value>& items, size_t level);
  Status object(const DictObj& dict, size_t level);
  Status new_line(size_t level);
  void string(std::string_view text);

  const JsonStyle& style_;
  Budget& budget_;
  std::string out_;
};

void append_unicode_escape(std::string& out, int32_t c) {
  if (c >= 0x10000) {
    const int32_t rest = c - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
  } else {
    out += fmt::format("\\u{:04x}", c);
  }
}

void JsonWriter::string(std::string_view text) {
  out_ += '"';
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    switch (c.value) {
      case '"': out_ += "\\\""; break;
      case '\\': out_ += "\\\\"; break;
      case '\n': out_ += "\\n"; break;
      case '\r': out_ += "\\r"; break;
      case '\t': out_ += "\\t"; break;
      case '\f': out_ += "\\f"; break;
      case '\b': out_ += "\\b"; break;
      default:
        if ((c.value >= 0 && c.value < 0x20) || (style_.ensure_ascii && c.value >= 0x7f + 1)) {
          append_unicode_escape(out_, c.value);
        } else {
          out_.append(text.substr(pos, c.bytes));
        }
    }
    pos += c.bytes;
  }
  out_ += '"';
}

Status JsonWriter::new_line(size_t level) {
  if (!style_.indent) return {};
  RETURN_IF_ERROR(budget_.fits(out_.size() + style_.indent->size() * level));
  RETURN_IF_ERROR(budget_.spend(style_.indent->size() * level / 64));
  out_ += '\n';
  for (size_t i = 0; i < level; ++i) out_ += *style_.indent;
  return {};
}

Status JsonWriter::array(const std::vector<Value>& items, size_t level) {
  if (items.empty()) {
    out_ += "[]";
    return {};
  }
  out_ += '[';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out_ += style_.item_separator;
    RETURN_IF_ERROR(new_line(level + 1));
    RETURN_IF_ERROR(write(items[i], level + 1));
  }
  RETURN_IF_ERROR(new_line(level));
  out_ += ']';
  return {};
}

std::string float_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return float_text(value);
}

Result<std::string> json_key(const Value& key) {
  if (const std::string* text = key.text()) return *text;
  if (const bool* flag = key.as<bool>()) return *flag ? "true" : "false";
  if (const Int* integer = key.as<Int>()) return int_text(*integer);
  if (const double* real = key.as<double>()) return float_json(*real);
  if (key.is<None>()) return "null";
  return error(Code::kInvalidArgument, "tojson: a key is of type {}, want str, int, float, bool or None",
               type_name(key));
}

Status JsonWriter::object(const DictObj& dict, size_t level) {
  if (dict.entries.empty()) {
    out_ += "{}";
    return {};
  }
  std::vector<const std::pair<Value, Value>*> entries;
  for (const auto& entry : dict.entries) entries.push_back(&entry);
  if (style_.sort_keys) {
    const bool all_text =
        std::all_of(entries.begin(), entries.end(), [](auto* e) { return e->first.text() != nullptr; });
    const bool all_number = std::all_of(entries.begin(), entries.end(), [](auto* e) {
      return e->first.as_number().has_value() && order(e->first, e->first) == 0;
    });
    if (!all_text && !all_number) {
      return error(Code::kInvalidArgument, "tojson: sort_keys: the keys are of types that have no order");
    }
    std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return order(a->first, b->first) < 0; });
  }
  out_ += '{';
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) out_ += style_.item_separator;
    RETURN_IF_ERROR(new_line(level + 1));
    ASSIGN_OR_RETURN(const std::string key, json_key(entries[i]->first));
    RETURN_IF_ERROR(budget_.spend(1 + key.size() / 64));
    string(key);
    out_ += style_.key_separator;
    RETURN_IF_ERROR(write(entries[i]->second, level + 1));
  }
  RETURN_IF_ERROR(new_line(level));
  out_ += '}';
  return {};
}

Status JsonWriter::write(const Value& value, size_t level) {
  RETURN_IF_ERROR(budget_.spend(1));
  RETURN_IF_ERROR(budget_.fits(out_.size()));
  if (value.is<None>()) {
    out_ += "null";
  } else if (const bool* flag = value.as<bool>()) {
    out_ += *flag ? "true" : "false";
  } else if (const Int* integer = value.as<Int>()) {
    out_ += int_text(*integer);
  } else if (const double* real = value.as<double>()) {
    out_ += float_json(*real);
  } else if (const std::string* text = value.text()) {
    RETURN_IF_ERROR(budget_.spend(weight_of(value)));
    string(*text);
  } else if (const Dict* dict = value.as<Dict>()) {
    return object(**dict, level);
  } else {
    const Seq* seq = value.as<Seq>();
    const bool listed = seq != nullptr && ((*seq)->kind == SeqKind::kList || (*seq)->kind == SeqKind::kTuple ||
                                           (*seq)->kind == SeqKind::kGroup);
    if (!listed) {
      return error(Code::kInvalidArgument, "tojson: a value of type {} is no JSON", type_name(value));
    }
    return array((*seq)->items, level);
  }
  return {};
}

}  // namespace

std::string int_text(Int value) { return fmt::format("{}", value); }

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);

  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string sign = text[0] == '-' ? "-" : "";
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() < whole) digits.append(whole - digits.size(), '0');
  const std::string fraction = digits.substr(whole);
  return sign + digits.substr(0, whole) + "." + (fraction.empty() ? "0" : fraction);
}

std::string string_repr(std::string_view text) {
  const bool double_quoted = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quoted ? '"' : '\'';
  std::string out(1, quote);
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (c.value == quote || c.value == '\\') {
      out += '\\';
      out += static_cast<char>(c.value);
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value == '\r') {
      out += "\\r";
    } else if (c.value == '\t') {
      out += "\\t";
    } else if (c.value < 0 || is_printable(c.value)) {
      out.append(text.substr(pos, c.bytes));
    } else if (c.value < 0x100) {
      out += fmt::format("\\x{:02x}", c.value);
    } else if (c.value < 0x10000) {
      out += fmt::format("\\u{:04x}", c.value);
    } else {
      out += fmt::format("\\U{:08x}", c.value);
    }
    pos += c.bytes;
  }
  return out + quote;
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

Result<std::string> to_repr(const Value& value, Budget& budget) {
  Printer printer(budget);
  RETURN_IF_ERROR(printer.repr(value));
  return printer.take();
}

Result<std::string> to_text(const Value& value, Budget& budget) {
  if (value.is<Undefined>()) return std::string();
  if (const std::string* text = value.text()) {
    RETURN_IF_ERROR(budget.spend(weight_of(value)));
    return *text;
  }
  return to_repr(value, budget);
}

Result<std::string> to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  RETURN_IF_ERROR(writer.write(value, 0));
  return writer.take();
}

}  // namespace tercet::chat
