#include "chat/messages.h"

#include <array>
#include <boost/json.hpp>
#include <optional>
#include <utility>

#include "base/text.h"

namespace tercet::chat {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 6> kRoles = {"system", "developer", "user", "assistant", "tool", "function"};

// Null is absent.
const json::value* find(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

tl::unexpected<Error> wrong_type(std::string_view path, const json::value* seen, std::string_view wanted) {
  return error(Code::kInvalidArgument, "{}: {}, want {}", path, seen == nullptr ? "absent" : kind_of(*seen), wanted);
}

Result<std::string> text_of_part(const json::value& part, const std::string& path) {
  if (part.is_string()) return std::string(part.get_string());
  if (!part.is_object()) return wrong_type(path, &part, "a part of text");
  const json::object& object = part.get_object();
  const json::value* type = find(object, "type");
  if (type != nullptr && !type->is_string()) return wrong_type(path + ".type", type, "a string");
  const std::string_view name = type == nullptr ? "text" : std::string_view(type->get_string());
  const bool is_text = name == "text" || name == "input_text" || name == "output_text";
  if (!is_text && name != "refusal")
    return error(Code::kInvalidArgument, "{}.type: {}, want text: the model takes nothing else", path, printable(name));
  const std::string_view member = is_text ? "text" : "refusal";
  const json::value* text = find(object, member);
  if (text == nullptr || !text->is_string()) return wrong_type(fmt::format("{}.{}", path, member), text, "a string");
  return std::string(text->get_string());
}

Result<std::string> text_of(const json::value* content, const std::string& path) {
  if (content == nullptr) return std::string();
  if (content->is_string()) return std::string(content->get_string());
  if (!content->is_array()) return wrong_type(path, content, "a string or an array of parts");
  std::string out;
  size_t i = 0;
  for (const json::value& part : content->get_array()) {
    ASSIGN_OR_RETURN(const std::string text, text_of_part(part, fmt::format("{}[{}]", path, i++)));
    // Parts are separate pieces for the client; a line between them keeps their words apart.
    if (!out.empty() && !text.empty() && out.back() != '\n') out += '\n';
    out += text;
  }
  return out;
}

// Earlier turns are the model's own words and may be malformed: they are kept, never refused.
json::object arguments_of(const json::value* arguments) {
  if (arguments == nullptr) return {};
  if (arguments->is_object()) return arguments->get_object();
  if (!arguments->is_string()) return {{"input", *arguments}};
  const std::string_view text = arguments->get_string();
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = 64;
  json::value parsed = json::parse(text, failed, {}, options);
  if (!failed && parsed.is_object()) return std::move(parsed.get_object());
  return {{"input", text}};
}

Result<json::object> normalise_call(const json::value& call, const std::string& path) {
  if (!call.is_object()) return wrong_type(path, &call, "an object");
  const json::value* function = find(call.get_object(), "function");
  if (function == nullptr) function = &call;  // flat
  const std::string inside = function == &call ? path : path + ".function";
  if (!function->is_object()) return wrong_type(inside, function, "an object");
  const json::value* name = find(function->get_object(), "name");
  if (name == nullptr || !name->is_string()) return wrong_type(inside + ".name", name, "a string");
  json::object out;
  if (const json::value* id = find(call.get_object(), "id")) out["id"] = *id;
  out["type"] = "function";
  out["function"] = {{"name", *name}, {"arguments", arguments_of(find(function->get_object(), "arguments"))}};
  return out;
}

Status add_calls(json::object& out, const json::object& message, const std::string& path) {
  json::array calls;
  if (const json::value* given = find(message, "tool_calls")) {
    if (!given->is_array()) return wrong_type(path + ".tool_calls", given, "an array");
    size_t i = 0;
    for (const json::value& call : given->get_array()) {
      ASSIGN_OR_RETURN(json::object one, normalise_call(call, fmt::format("{}.tool_calls[{}]", path, i++)));
      calls.push_back(std::move(one));
    }
  } else if (const json::value* old = find(message, "function_call")) {
    ASSIGN_OR_RETURN(json::object one, normalise_call(*old, path + ".function_call"));
    calls.push_back(std::move(one));
  }
  if (!calls.empty()) out["tool_calls"] = std::move(calls);
  return {};
}

Status add_reasoning(json::object& out, const json::object& message, const std::string& path) {
  for (const std::string_view name : {"reasoning_content", "reasoning"}) {
    const json::value* given = find(message, name);
    if (given == nullptr) continue;
    if (!given->is_string()) return wrong_type(fmt::format("{}.{}", path, name), given, "a string");
    out["reasoning_content"] = *given;
    return {};
  }
  return {};
}

Result<json::object> normalise_message(const json::value& value, const std::string& path) {
  if (!value.is_object()) return wrong_type(path, &value, "an object");
  const json::object& message = value.get_object();
  const json::value* role = find(message, "role");
  if (role == nullptr || !role->is_string()) return wrong_type(path + ".role", role, "a string");
  std::string_view name = role->get_string();
  if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end())
    return error(Code::kInvalidArgument, "{}.role: {}, want system, developer, user, assistant or tool", path,
                 printable(name));
  if (name == "developer") name = "system";
  if (name == "function") name = "tool";
  json::object out = {{"role", name}};
  ASSIGN_OR_RETURN(const std::string content, text_of(find(message, "content"), path + ".content"));
  out["content"] = content;
  for (const std::string_view kept : {"name", "tool_call_id"}) {
    const json::value* given = find(message, kept);
    if (given == nullptr) continue;
    if (!given->is_string()) return wrong_type(fmt::format("{}.{}", path, kept), given, "a string");
    out[kept] = *given;
  }
  if (name == "assistant") {
    RETURN_IF_ERROR(add_calls(out, message, path));
    RETURN_IF_ERROR(add_reasoning(out, message, path));
  }
  return out;
}

bool is_system(const json::value& message) { return message.at("role").get_string() == "system"; }

void append_content(json::value& to, const json::value& from) {
  json::string& text = to.at("content").get_string();
  if (!text.empty()) text.append("\n\n");
  text.append(from.at("content").get_string());
}

}  // namespace

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
    default: return "a number";
  }
}

Result<json::array> normalise_messages(const json::value& messages, std::string_view path) {
  if (!messages.is_array()) return wrong_type(path, &messages, "an array");
  if (messages.get_array().empty()) return error(Code::kInvalidArgument, "{}: empty, want at least one message", path);
  json::array out;
  size_t i = 0;
  bool at_start = true;
  for (const json::value& message : messages.get_array()) {
    ASSIGN_OR_RETURN(json::object one, normalise_message(message, fmt::format("{}[{}]", path, i++)));
    at_start = at_start && one.at("role").get_string() == "system";
    if (at_start && !out.empty()) {
      append_content(out.front(), json::value(std::move(one)));
    } else {
      out.push_back(std::move(one));
    }
  }
  return out;
}

Result<json::array> normalise_tools(const json::value& tools, std::string_view path) {
  if (!tools.is_array()) return wrong_type(path, &tools, "an array");
  json::array out;
  for (size_t i = 0; i < tools.get_array().size(); ++i) {
    const std::string here = fmt::format("{}[{}]", path, i);
    const json::value& tool = tools.get_array()[i];
    if (!tool.is_object()) return wrong_type(here, &tool, "an object");
    const json::value* type = find(tool.get_object(), "type");
    if (type != nullptr && (!type->is_string() || type->get_string() != "function"))
      return error(Code::kInvalidArgument, "{}.type: {}, want function", here,
                   type->is_string() ? printable(type->get_string()) : std::string(kind_of(*type)));
    const json::value* function = find(tool.get_object(), "function");
    if (function == nullptr || !function->is_object()) return wrong_type(here + ".function", function, "an object");
    json::object copy;
    for (const auto& [name, value] : function->get_object())
      if (!value.is_null()) copy[name] = value;
    const json::value* name = find(copy, "name");
    if (name == nullptr || !name->is_string()) return wrong_type(here + ".function.name", name, "a string");
    if (name->get_string().empty())
      return error(Code::kInvalidArgument, "{}.function.name: empty, want at least one character", here);
    if (const json::value* about = find(copy, "description"); about != nullptr && !about->is_string())
      return wrong_type(here + ".function.description", about, "a string");
    const json::value* parameters = find(copy, "parameters");
    if (parameters == nullptr) {
      copy["parameters"] = {{"type", "object"}, {"properties", json::object()}};
    } else if (!parameters->is_object()) {
      return wrong_type(here + ".function.parameters", parameters, "an object");
    }
    out.push_back({{"type", "function"}, {"function", std::move(copy)}});
  }
  return out;
}

Result<std::string> render_messages(const Template& chat_template, Conversation conversation,
                                    const RenderOptions& options) {
  auto rendered = render_chat(chat_template, conversation, options);
  if (rendered || rendered.error().code != Code::kInvalidArgument) return rendered;
  json::array& messages = conversation.messages;
  std::optional<json::value> system;
  json::array others;
  size_t n_late = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!is_system(messages[i])) {
      others.push_back(messages[i]);
    } else if (!system) {
      system = messages[i];
      n_late += i > 0 ? 1 : 0;
    } else {
      append_content(*system, messages[i]);
      ++n_late;
    }
  }
  if (n_late == 0) return rendered;
  messages.clear();
  messages.push_back(*system);
  for (json::value& message : others) messages.push_back(std::move(message));
  return render_chat(chat_template, conversation, options);
}

}  // namespace tercet::chat
