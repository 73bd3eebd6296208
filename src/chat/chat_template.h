// Owns the chat template: the model's own Jinja text, run by a bounded interpreter (limits on steps, output and depth;
// no access to anything but the values it is given).
#pragma once

#include <boost/json/value.hpp>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/limits.h"

namespace tercet::chat {

struct RenderOptions {
  Limits limits;
  std::optional<std::tm> now;  // what strftime_now tells; the local time unless it is given
};

// Immutable: one template may be rendered by many threads.
class Template {
 public:
  // `name` is what messages call it. Every message quotes the line it speaks of.
  // Errors: kCorrupt when the text is no template; kUnsupported for a tag, filter or test that is well formed but that
  // this interpreter does not have; kLimit when it is too large or nests too deeply.
  static Result<std::unique_ptr<Template>> parse(std::string_view source, std::string name);

  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;
  ~Template();

  // `context` is an object: messages, tools, add_generation_prompt, ... as transformers' apply_chat_template has them.
  // Errors: kInvalidArgument (raise_exception with its message, undefined misuse; the line quoted), kLimit (the limit
  // named), kUnsupported.
  Result<std::string> render(const boost::json::object& context, const RenderOptions& options = {}) const;

  const std::string& name() const;

 private:
  struct Parsed;
  explicit Template(std::unique_ptr<const Parsed> parsed);
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace tercet::chat
