// Values that a schema lists: enum and const, and which of them its other keywords let stand.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/text.h"
#include "grammar/schema_compiler.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

constexpr int kMaxHoldsDepth = 32;
constexpr size_t kMaxLiteralBytes = 65536;  // of all values at one place

long double number_of(const json::value& value) {
  return value.is_int64()    ? static_cast<long double>(value.get_int64())
         : value.is_uint64() ? static_cast<long double>(value.get_uint64())
                             : static_cast<long double>(value.get_double());
}

// As JSON schema has it: 1 is 1.0, and true is not 1.
bool are_equal(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return number_of(a) == number_of(b);
  if (a.kind() != b.kind()) return false;
  if (a.is_array()) {
    const json::array& x = a.get_array();
    const json::array& y = b.get_array();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), are_equal);
  }
  if (!a.is_object()) return a == b;
  const json::object& x = a.get_object();
  const json::object& y = b.get_object();
  return x.size() == y.size() && std::all_of(x.begin(), x.end(), [&](const auto& pair) {
           const json::value* other = y.if_contains(pair.key());
           return other != nullptr && are_equal(pair.value(), *other);
         });
}

bool is_of(const json::value& value, std::string_view type) {
  if (type == "integer") return value.is_number() && std::floor(number_of(value)) == number_of(value);
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

void write(const json::value& value, std::string& out) {
  if (value.is_string()) {
    out += fmt::format("\"{}\"", canonical_text(value.get_string()));
  } else if (value.is_double()) {
    out += fmt::format("{}", value.get_double());
  } else if (value.is_array()) {
    out += '[';
    for (const json::value& one : value.get_array()) {
      if (out.back() != '[') out += ',';
      write(one, out);
    }
    out += ']';
  } else if (value.is_object()) {
    out += '{';
    bool is_first = true;
    for (const auto& [name, one] : value.get_object()) {
      if (!std::exchange(is_first, false)) out += ',';
      out += fmt::format("\"{}\":", canonical_text(name));
      write(one, out);
    }
    out += '}';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string canonical_text(std::string_view given) {
  // What is no UTF-8 can be in no answer, and JSON parsers let none through.
  const std::string text = valid_utf8(given);
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string canonical_json(const json::value& value) {
  std::string out;
  write(value, out);
  return out;
}

// What enum and const leave; nothing where there is neither.
Result<std::optional<json::array>> SchemaCompiler::literal_values(const Plain& plain) {
  std::optional<json::array> out;
  for (const json::object* schema : plain) {
    std::optional<json::array> given;
    if (const json::value* one = find(*schema, "const")) given = json::array{*one};
    if (const json::value* all = find(*schema, "enum")) {
      if (!all->is_array() || all->get_array().empty()) {
        RETURN_IF_ERROR(cannot(*schema, "enum", "no values", "an array of them"));
      } else if (!given) {
        given = all->get_array();
      }
    }
    if (given && !out) out = std::move(given);
  }
  return out;
}

Result<std::optional<std::vector<std::string>>> SchemaCompiler::literals(const Plain& plain) {
  ASSIGN_OR_RETURN(const auto values, literal_values(plain));
  if (!values) return std::nullopt;
  std::vector<std::string> out;
  size_t n_byte = 0;
  for (const json::value& value : *values) {
    const bool is_allowed = std::all_of(plain.begin(), plain.end(),
                                        [&](const json::object* schema) { return plain_holds(value, *schema, 0); });
    if (!is_allowed) continue;
    out.push_back(canonical_json(value));
    n_byte += out.back().size();
  }
  if (n_byte > kMaxLiteralBytes)
    return error(Code::kLimit, "{}: enum of {} bytes, want at most {}", path_of(*plain.front()), n_byte,
                 kMaxLiteralBytes);
  return out;
}

// Surely: where it is not known, it does not.
bool SchemaCompiler::holds(const json::value& value, const json::value& schema, int depth) {
  if (schema.is_bool()) return schema.get_bool();
  if (!schema.is_object() || depth > kMaxHoldsDepth || ++n_work_ > 1'000'000) return false;
  const json::object& object = schema.get_object();
  if (!plain_holds(value, object, depth)) return false;
  if (const json::value* ref = find(object, "$ref")) {
    const auto target = resolve(object, *ref);
    if (!target || *target == nullptr || !holds(value, **target, depth + 1)) return false;
  }
  const auto count = [&](std::string_view keyword) -> std::pair<size_t, size_t> {
    const json::value* all = find(object, keyword);
    if (all == nullptr || !all->is_array()) return {0, 0};
    const json::array& list = all->get_array();
    return {static_cast<size_t>(std::count_if(list.begin(), list.end(),
                                              [&](const json::value& one) { return holds(value, one, depth + 1); })),
            list.size()};
  };
  const auto [n_all, of_all] = count("allOf");
  const auto [n_any, of_any] = count("anyOf");
  const auto [n_one, of_one] = count("oneOf");
  return n_all == of_all && (of_any == 0 || n_any > 0) && (of_one == 0 || n_one == 1);
}

bool SchemaCompiler::size_holds(const json::value& value, const json::object& schema) {
  const auto within = [&](std::string_view least, std::string_view most, long double n) {
    const json::value* low = find(schema, least);
    const json::value* high = find(schema, most);
    return (low == nullptr || (low->is_number() && n >= number_of(*low))) &&
           (high == nullptr || (high->is_number() && n <= number_of(*high)));
  };
  if (value.is_string()) {
    const auto n = static_cast<long double>(characters(value.get_string()));
    if (!within("minLength", "maxLength", n)) return false;
    const auto word = patterned({&schema});
    return word && (!*word || (*word)->matches(canonical_json(value)));
  }
  if (value.is_array()) {
    const json::value* unique = find(schema, "uniqueItems");
    if (unique != nullptr && unique->is_bool() && unique->get_bool()) return false;
    return within("minItems", "maxItems", static_cast<long double>(value.get_array().size()));
  }
  if (value.is_object())
    return within("minProperties", "maxProperties", static_cast<long double>(value.get_object().size()));
  if (!value.is_number()) return true;
  const long double n = number_of(value);
  if (!within("minimum", "maximum", n)) return false;
  const json::value* above = find(schema, "exclusiveMinimum");
  const json::value* below = find(schema, "exclusiveMaximum");
  const json::value* multiple = find(schema, "multipleOf");
  if (above != nullptr && !(above->is_number() && n > number_of(*above))) return false;
  if (below != nullptr && !(below->is_number() && n < number_of(*below))) return false;
  if (multiple == nullptr) return true;
  return multiple->is_number() && is_of(value, "integer") && is_of(*multiple, "integer") &&
         std::fmod(n, number_of(*multiple)) == 0;
}

bool SchemaCompiler::parts_hold(const json::value& value, const json::object& schema, int depth) {
  if (value.is_array()) {
    const json::value* first = find(schema, "prefixItems");
    const json::value* rest = find(schema, "items");
    if (rest != nullptr && rest->is_array()) return false;
    const size_t n_first = first != nullptr && first->is_array() ? first->get_array().size() : 0;
    const json::array& list = value.get_array();
    for (size_t i = 0; i < list.size(); ++i) {
      const json::value* its = i < n_first ? &first->get_array()[i] : rest;
      if (its != nullptr && !holds(list[i], *its, depth + 1)) return false;
    }
    return true;
  }
  if (!value.is_object()) return true;
  const json::object& object = value.get_object();
  if (const json::value* names = find(schema, "required"); names != nullptr && names->is_array())
    for (const json::value& name : names->get_array())
      if (!name.is_string() || !object.contains(name.get_string())) return false;
  if (schema.contains("propertyNames")) return false;
  const auto patterns = key_patterns({&schema});
  if (!patterns) return false;
  for (const auto& [name, one] : object)
    for (const json::value* its : key_schemas({&schema}, *patterns, name))
      if (!holds(one, *its, depth + 1)) return false;
  return true;
}

// The keywords of the schema itself, without those that take it apart.
bool SchemaCompiler::plain_holds(const json::value& value, const json::object& schema, int depth) {
  if (const json::value* type = find(schema, "type")) {
    const auto fits = [&](const json::value& one) { return one.is_string() && is_of(value, one.get_string()); };
    if (type->is_array() ? std::none_of(type->get_array().begin(), type->get_array().end(), fits) : !fits(*type))
      return false;
  }
  if (const json::value* one = find(schema, "const"); one != nullptr && !are_equal(value, *one)) return false;
  if (const json::value* all = find(schema, "enum"); all != nullptr && all->is_array())
    if (std::none_of(all->get_array().begin(), all->get_array().end(),
                     [&](const json::value& other) { return are_equal(value, other); }))
      return false;
  return size_holds(value, schema) && parts_hold(value, schema, depth);
}

}  // namespace tercet::grammar
