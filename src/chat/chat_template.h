// Owns the chat template: the model's own Jinja text, run by a bounded interpreter (limits on steps, output and depth;
// no access to anything but the values it is given).
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet::chat {

class Template {
 public:
  // Errors: kCorrupt with the line quoted, when the text is not a template that this interpreter understands.
  static Result<std::unique_ptr<Template>> parse(std::string_view source, std::string name);

  // `context` is an object: messages, tools, add_generation_prompt, ... as transformers' apply_chat_template has them.
  // Errors: kInvalidArgument (raise_exception, undefined misuse; the line quoted), kLimit.
  Result<std::string> render(const boost::json::object& context) const;
};

}  // namespace tercet::chat
