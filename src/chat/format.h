// Owns Python's two ways to format text: the operator % and str.format with its format specifications.
#pragma once

#include <string_view>

#include "chat/runtime.h"

namespace tercet::chat {

// `format % argument`; `format` is a str. Markup escapes what is put into it.
Result<Value> printf_format(Runtime& rt, const Value& format, const Value& argument);

// format.format(*args, **kwargs). Fields go through the sandbox's attributes and items.
Result<Value> brace_format(Runtime& rt, const Value& format, const CallArgs& args);

}  // namespace tercet::chat
