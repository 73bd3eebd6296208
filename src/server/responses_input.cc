// What a request of the Responses API asks, as the conversation that it is.
#include <boost/json.hpp>

#include "base/log.h"
#include "base/text.h"
#include "chat/messages.h"
#include "server/responses.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

// Calls and thoughts are items of their own; for templates they belong to the assistant's message.
json::object& assistant_message(json::array& messages) {
  const bool goes_on = !messages.empty() && messages.back().at("role") == "assistant";
  if (!goes_on) messages.push_back({{"role", "assistant"}, {"content", ""}});
  return messages.back().get_object();
}

Status add_call(json::array& messages, const Fields& item) {
  ASSIGN_OR_RETURN(const auto name, item.text("name"));
  if (!name) return item.wrong("name", "a string");
  ASSIGN_OR_RETURN(const auto id, item.text("call_id"));
  ASSIGN_OR_RETURN(const auto arguments, item.text("arguments"));
  json::object call = {{"type", "function"}, {"function", {{"name", *name}, {"arguments", arguments.value_or("")}}}};
  if (id) call["id"] = *id;
  json::value& calls = assistant_message(messages)["tool_calls"];
  if (!calls.is_array()) calls = json::array();
  calls.get_array().push_back(std::move(call));
  return {};
}

Status add_result(json::array& messages, const Fields& item) {
  ASSIGN_OR_RETURN(const auto id, item.text("call_id"));
  if (!id) return item.wrong("call_id", "a string");
  const json::value* output = item.find("output");
  if (output == nullptr) return item.wrong("output", "a string or an array of parts");
  messages.push_back({{"role", "tool"}, {"tool_call_id", *id}, {"content", *output}});
  return {};
}

Status add_thoughts(json::array& messages, const Fields& item) {
  std::string text;
  for (const std::string_view name : {"content", "summary"}) {
    ASSIGN_OR_RETURN(const json::array* parts, item.array(name));
    if (parts == nullptr || !text.empty()) continue;
    for (const json::value& part : *parts) {
      const json::value* its = part.is_object() ? part.get_object().if_contains("text") : nullptr;
      if (its != nullptr && its->is_string()) text += its->get_string();
    }
  }
  if (!text.empty()) messages.push_back({{"role", "assistant"}, {"content", ""}, {"reasoning_content", text}});
  return {};
}

Status add_message(json::array& messages, const Fields& item) {
  ASSIGN_OR_RETURN(const auto role, item.text("role"));
  if (!role || (*role != "user" && *role != "assistant" && *role != "system" && *role != "developer"))
    return error(Code::kInvalidArgument, "{}: {}, want user, assistant, system or developer", item.path("role"),
                 role ? printable(*role) : "absent");
  const json::value* content = item.find("content");
  if (content == nullptr) return item.wrong("content", "a string or an array of parts");
  const bool is_thought_before = *role == "assistant" && !messages.empty() &&
                                 messages.back().get_object().contains("reasoning_content") &&
                                 messages.back().at("content") == "";
  if (is_thought_before) {
    messages.back().get_object()["content"] = *content;
  } else {
    messages.push_back({{"role", *role}, {"content", *content}});
  }
  return {};
}

Result<json::array> read_items(const Fields& fields) {
  json::array out;
  ASSIGN_OR_RETURN(const auto instructions, fields.text("instructions"));
  if (instructions && !instructions->empty()) out.push_back({{"role", "system"}, {"content", *instructions}});
  const json::value* input = fields.find("input");
  if (input != nullptr && input->is_string()) {
    out.push_back({{"role", "user"}, {"content", *input}});
    return out;
  }
  if (input == nullptr || !input->is_array()) return fields.wrong("input", "a string or an array of items");
  if (input->get_array().empty()) return error(Code::kInvalidArgument, "input: empty, want at least one item");
  for (size_t i = 0; i < input->get_array().size(); ++i) {
    const json::value& one = input->get_array()[i];
    const std::string path = fmt::format("input[{}]", i);
    if (!one.is_object()) return error(Code::kInvalidArgument, "{}: {}, want an item", path, kind_of(one));
    const Fields item(one.get_object(), path);
    ASSIGN_OR_RETURN(const auto type, item.text("type"));
    const std::string kind = type.value_or("message");
    if (kind == "message") {
      RETURN_IF_ERROR(add_message(out, item));
    } else if (kind == "function_call") {
      RETURN_IF_ERROR(add_call(out, item));
    } else if (kind == "function_call_output") {
      RETURN_IF_ERROR(add_result(out, item));
    } else if (kind == "reasoning") {
      RETURN_IF_ERROR(add_thoughts(out, item));
    } else {
      return error(Code::kInvalidArgument,
                   "{}.type: {}, want message, function_call, function_call_output or reasoning", path,
                   printable(kind));
    }
  }
  return out;
}

// Tools that OpenAI's servers run are left out: the model cannot call them.
Result<json::array> read_tools(const Fields& fields) {
  json::array out;
  ASSIGN_OR_RETURN(const json::array* given, fields.array("tools"));
  for (size_t i = 0; given != nullptr && i < given->size(); ++i) {
    const std::string path = fmt::format("tools[{}]", i);
    const json::value& one = (*given)[i];
    if (!one.is_object()) return error(Code::kInvalidArgument, "{}: {}, want an object", path, kind_of(one));
    const Fields tool(one.get_object(), path);
    ASSIGN_OR_RETURN(const auto type, tool.text("type"));
    if (!type) return tool.wrong("type", "function");
    if (*type != "function") {
      spdlog::warn("{}.type: {}, left out: not a function of the client's", path, printable(*type));
      continue;
    }
    ASSIGN_OR_RETURN(const auto name, tool.text("name"));
    if (!name || name->empty()) return tool.wrong("name", "a name");
    ASSIGN_OR_RETURN(const auto about, tool.text("description"));
    ASSIGN_OR_RETURN(const json::object* parameters, tool.object("parameters"));
    json::object function = {{"name", *name}};
    if (about) function["description"] = *about;
    if (parameters != nullptr) function["parameters"] = *parameters;
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return out;
}

Result<ToolChoice> read_choice(const Fields& fields) {
  const json::value* given = fields.find("tool_choice");
  constexpr std::string_view kWanted = "auto, none, required or a function by name";
  if (given == nullptr) return ToolChoice{};
  if (given->is_string()) {
    const std::string_view text = given->get_string();
    if (text == "auto") return ToolChoice{};
    if (text == "none") return ToolChoice{ToolChoice::Kind::kNone, ""};
    if (text == "required") return ToolChoice{ToolChoice::Kind::kRequired, ""};
    return error(Code::kInvalidArgument, "tool_choice: {}, want {}", printable(text), kWanted);
  }
  if (!given->is_object()) return fields.wrong("tool_choice", kWanted);
  const Fields choice(given->get_object(), "tool_choice");
  ASSIGN_OR_RETURN(const auto type, choice.text("type"));
  if (type != "function")
    return error(Code::kInvalidArgument, "tool_choice.type: {}, want function", printable(type.value_or("absent")));
  ASSIGN_OR_RETURN(const auto name, choice.text("name"));
  if (!name) return choice.wrong("name", "a string");
  return ToolChoice{ToolChoice::Kind::kNamed, *name};
}

}  // namespace

Result<ChatInput> read_responses_input(const Fields& fields) {
  for (const std::string_view name : {"previous_response_id", "conversation"})
    if (fields.has(name))
      return error(Code::kInvalidArgument, "{}: given, want the earlier items in input: no answer is stored here",
                   name);
  ASSIGN_OR_RETURN(const auto in_background, fields.boolean("background"));
  if (in_background.value_or(false))
    return error(Code::kInvalidArgument, "background: true, want false: no answer is stored here");
  ChatInput out;
  ASSIGN_OR_RETURN(const json::array items, read_items(fields));
  ASSIGN_OR_RETURN(out.messages, chat::normalise_messages(items, "input"));
  ASSIGN_OR_RETURN(const json::array tools, read_tools(fields));
  ASSIGN_OR_RETURN(out.tools, chat::normalise_tools(tools));
  ASSIGN_OR_RETURN(out.tool_choice, read_choice(fields));
  ASSIGN_OR_RETURN(const auto parallel, fields.boolean("parallel_tool_calls"));
  out.parallel_calls = parallel.value_or(true);
  ASSIGN_OR_RETURN(out.form, read_text_format(fields));
  ASSIGN_OR_RETURN(const json::object* extra, fields.object("chat_template_kwargs"));
  if (extra != nullptr) out.template_arguments = *extra;
  return out;
}

}  // namespace tercet::server
