// Owns how a tool call's values become JSON: typed by the tool's schema where it has one, and always valid.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tercet::chat {

// The inside of a JSON string, without its quotes. Bytes from 0x80 on stay as they are.
std::string json_escaped(std::string_view text);

// Whether a value of this schema can be nothing but a string. No schema: yes.
bool is_string_only(const boost::json::value* schema);

// Whether one of its values may be a string. No schema: yes.
bool may_be_string(const boost::json::value* schema);

// The JSON text of a value as a model wrote it between two tags: of the schema's type if it can be read so, else a
// string.
std::string typed_value(std::string_view text, const boost::json::value* schema);

struct JsonCall {
  std::string name;
  std::string arguments;  // the text of an object
};

// {"name": NAME, "arguments": {...}}; `parameters` for `arguments`, and JSON text for the object, are taken as well.
std::optional<JsonCall> parse_json_call(std::string_view text);

}  // namespace tercet::chat
