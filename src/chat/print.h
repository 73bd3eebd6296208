// Owns how values become text: Python's str() and repr(), its shortest floats, and json.dumps.
#pragma once

#include <optional>
#include <string>

#include "chat/limits.h"
#include "chat/value.h"

namespace tercet::chat {

std::string int_text(Int value);
// Shortest digits that read back as the same double, in Python's layout: 1e+16, 0.0001, 2.0, inf, nan.
std::string float_text(double value);
std::string string_repr(std::string_view text);
// & < > ' " as entities.
std::string escape_html(std::string_view text);

// str() and repr(). Errors: kLimit when the text is too long or nests too deeply.
Result<std::string> to_text(const Value& value, Budget& budget);
Result<std::string> to_repr(const Value& value, Budget& budget);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// json.dumps. Errors: kInvalidArgument for what JSON can't say, kLimit.
Result<std::string> to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace tercet::chat
