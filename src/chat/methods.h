// Owns the methods of str, dict, list and tuple that a template may call: those of Python that change nothing.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "chat/runtime.h"

namespace tercet::chat {

struct Method {
  std::string_view name;
  Result<Value> (*run)(Runtime&, const Value& self, CallArgs args);
};

std::span<const Method> str_methods();

// The method bound to its object; `found` tells whether there is one. Errors: kUnsupported for a method that Python has
// and this interpreter does not.
Result<Value> bind_method(Runtime& rt, const Value& object, std::string_view name, bool& found);

// str.strip and its sisters: code points of `chars`, or white space if there are none.
enum class Side : uint8_t { kBoth, kLeft, kRight };
std::string_view strip(std::string_view text, const std::string* chars, Side side);

// str.replace; `most` < 0: all.
Result<Value> replace_text(Runtime& rt, const Value& self, const std::string& old, const std::string& fresh, Int most);
// str.ljust '<', rjust '>', center '^'.
Result<Value> justify_text(Runtime& rt, const Value& self, Int width, const std::string& fill, char align);

// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace tercet::chat
