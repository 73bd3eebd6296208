#include "server/openai.h"

#include <boost/json.hpp>
#include <chrono>

#include "base/text.h"
#include "chat/messages.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

Result<ToolChoice> read_tool_choice(const Fields& fields) {
  const json::value* given = fields.find("tool_choice");
  if (given == nullptr) return ToolChoice{};
  constexpr std::string_view kWanted = "auto, none, required or an object that names a function";
  if (given->is_string()) {
    const std::string_view text = given->get_string();
    if (text == "auto") return ToolChoice{};
    if (text == "none") return ToolChoice{ToolChoice::Kind::kNone, ""};
    if (text == "required") return ToolChoice{ToolChoice::Kind::kRequired, ""};
    return error(Code::kInvalidArgument, "tool_choice: {}, want {}", printable(text), kWanted);
  }
  if (!given->is_object()) return fields.wrong("tool_choice", kWanted);
  const Fields choice(given->get_object(), "tool_choice");
  ASSIGN_OR_RETURN(const json::object* function, choice.object("function"));
  if (function == nullptr) return choice.wrong("function", "an object with a name");
  const Fields inside(*function, "tool_choice.function");
  ASSIGN_OR_RETURN(const auto name, inside.text("name"));
  if (!name) return inside.wrong("name", "a string");
  return ToolChoice{ToolChoice::Kind::kNamed, *name};
}

}  // namespace

Result<ChatInput> read_chat_input(const Fields& fields) {
  ChatInput out;
  const json::value* messages = fields.find("messages");
  if (messages == nullptr) return fields.wrong("messages", "an array");
  ASSIGN_OR_RETURN(out.messages, chat::normalise_messages(*messages));
  if (const json::value* tools = fields.find("tools")) {
    ASSIGN_OR_RETURN(out.tools, chat::normalise_tools(*tools));
  }
  ASSIGN_OR_RETURN(out.tool_choice, read_tool_choice(fields));
  ASSIGN_OR_RETURN(const auto parallel, fields.boolean("parallel_tool_calls"));
  out.parallel_calls = parallel.value_or(true);
  ASSIGN_OR_RETURN(const json::object* extra, fields.object("chat_template_kwargs"));
  if (extra != nullptr) out.template_arguments = *extra;
  ASSIGN_OR_RETURN(out.form, read_response_format(fields));
  return out;
}

Result<AnswerShape> read_shape(const Fields& fields, const ServedModel& model, std::string_view id_prefix) {
  AnswerShape out;
  out.id = new_id(id_prefix);
  out.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  // One model is loaded: whatever it is called, it answers.
  ASSIGN_OR_RETURN(const auto name, fields.text("model"));
  out.model = name && !name->empty() ? *name : model.name;
  ASSIGN_OR_RETURN(const auto streams, fields.boolean("stream"));
  out.streams = streams.value_or(false);
  ASSIGN_OR_RETURN(const json::object* options, fields.object("stream_options"));
  if (options != nullptr) {
    ASSIGN_OR_RETURN(const auto usage, Fields(*options, "stream_options").boolean("include_usage"));
    out.includes_usage = usage.value_or(false);
  }
  ASSIGN_OR_RETURN(const auto progress, fields.boolean("return_progress"));
  out.returns_progress = progress.value_or(false);
  return out;
}

json::object usage_json(int64_t n_prompt, int64_t n_output, int64_t n_cached) {
  return {{"prompt_tokens", n_prompt},
          {"completion_tokens", n_output},
          {"total_tokens", n_prompt + n_output},
          {"prompt_tokens_details", {{"cached_tokens", n_cached}}}};
}

std::string_view openai_finish_reason(engine::FinishReason reason) {
  // The choice that needs no more tokens was cancelled by the server itself.
  return reason == engine::FinishReason::kLength ? "length" : "stop";
}

}  // namespace tercet::server
