#include "chat/call_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

namespace tercet::chat {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 64;

std::optional<json::value> parse(std::string_view text) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::value value = json::parse(text, failed, {}, options);
  if (failed) return std::nullopt;
  return value;
}

void add_types(const json::value& schema, std::vector<std::string>& types, int depth) {
  if (!schema.is_object() || depth > 4) return;
  const json::object& object = schema.get_object();
  if (const json::value* type = object.if_contains("type")) {
    if (type->is_string()) types.emplace_back(type->get_string());
    if (type->is_array())
      for (const json::value& one : type->get_array())
        if (one.is_string()) types.emplace_back(one.get_string());
  }
  for (const std::string_view name : {"anyOf", "oneOf", "allOf"}) {
    const json::value* branches = object.if_contains(name);
    if (branches == nullptr || !branches->is_array()) continue;
    for (const json::value& branch : branches->get_array()) add_types(branch, types, depth + 1);
  }
  if (const json::value* values = object.if_contains("enum"); types.empty() && values != nullptr && values->is_array())
    for (const json::value& one : values->get_array()) {
      if (one.is_string()) types.emplace_back("string");
      if (one.is_number()) types.emplace_back("number");
      if (one.is_bool()) types.emplace_back("boolean");
      if (one.is_null()) types.emplace_back("null");
    }
}

std::vector<std::string> types_of(const json::value* schema) {
  std::vector<std::string> types;
  if (schema != nullptr) add_types(*schema, types, 0);
  return types;
}

bool is_of(const json::value& value, std::string_view type) {
  if (type == "integer")
    return value.is_int64() || value.is_uint64() ||
           (value.is_double() && value.get_double() == static_cast<double>(static_cast<int64_t>(
                                                           std::clamp(value.get_double(), -9e18, 9e18))));
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return false;
}

// Python's words, which a model that knows much Python writes.
std::string_view in_json(std::string_view text) {
  if (text == "True" || text == "TRUE") return "true";
  if (text == "False" || text == "FALSE") return "false";
  if (text == "None") return "null";
  return text;
}

}  // namespace

std::string json_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
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

bool is_string_only(const json::value* schema) {
  const std::vector<std::string> types = types_of(schema);
  return std::all_of(types.begin(), types.end(), [](const std::string& type) { return type == "string"; });
}

bool may_be_string(const json::value* schema) {
  const std::vector<std::string> types = types_of(schema);
  return types.empty() || std::find(types.begin(), types.end(), "string") != types.end();
}

std::string typed_value(std::string_view text, const json::value* schema) {
  const std::vector<std::string> types = types_of(schema);
  std::string_view trimmed = text;
  while (!trimmed.empty() && static_cast<unsigned char>(trimmed.front()) <= ' ') trimmed.remove_prefix(1);
  while (!trimmed.empty() && static_cast<unsigned char>(trimmed.back()) <= ' ') trimmed.remove_suffix(1);
  if (const auto value = parse(in_json(trimmed))) {
    for (const std::string& type : types)
      if (is_of(*value, type)) return json::serialize(*value);
  }
  return fmt::format("\"{}\"", json_escaped(text));
}

std::optional<JsonCall> parse_json_call(std::string_view text) {
  const auto value = parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const json::object& call = value->get_object();
  const json::value* name = call.if_contains("name");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  const json::value* arguments = call.if_contains("arguments");
  if (arguments == nullptr) arguments = call.if_contains("parameters");
  JsonCall out{std::string(name->get_string()), "{}"};
  if (arguments == nullptr || arguments->is_null()) return out;
  if (arguments->is_object()) {
    out.arguments = json::serialize(*arguments);
    return out;
  }
  if (!arguments->is_string()) return std::nullopt;
  const auto inner = parse(std::string_view(arguments->get_string()));
  if (!inner || !inner->is_object()) return std::nullopt;
  out.arguments = json::serialize(*inner);
  return out;
}

}  // namespace tercet::chat
