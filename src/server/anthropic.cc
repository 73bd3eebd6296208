#include "server/anthropic.h"

#include <boost/json.hpp>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "chat/messages.h"

namespace tercet::server {
namespace {

namespace json = boost::json;
using Kind = chat::AnswerEvent::Kind;

// Claude Code's first line of the system prompt is for Anthropic's accounts: x-anthropic-billing-header: cc_version=...;
// cch=...; It says nothing to a model, and changes with every request: no prompt would begin like the one before.
constexpr std::string_view kBillingLine = "x-anthropic-billing-header:";

std::string without_billing_line(std::string text) {
  if (!text.starts_with(kBillingLine)) return text;
  const size_t end = text.find('\n');
  return end == std::string::npos ? std::string() : text.substr(end + 1);
}

// A system text, or a tool's result: a string, or blocks of text.
Result<std::string> read_text_blocks(const json::value& given, const std::string& path) {
  if (given.is_string()) return std::string(given.get_string());
  if (!given.is_array())
    return error(Code::kInvalidArgument, "{}: {}, want a string or an array of blocks", path, kind_of(given));
  std::string out;
  for (size_t i = 0; i < given.get_array().size(); ++i) {
    const std::string here = fmt::format("{}[{}]", path, i);
    const json::value& block = given.get_array()[i];
    if (!block.is_object()) return error(Code::kInvalidArgument, "{}: {}, want a block of text", here, kind_of(block));
    const Fields fields(block.get_object(), here);
    ASSIGN_OR_RETURN(const auto type, fields.text("type"));
    if (type.value_or("") != "text")
      return error(Code::kInvalidArgument, "{}.type: {}, want text: the model takes nothing else", here,
                   printable(type.value_or("absent")));
    ASSIGN_OR_RETURN(const auto text, fields.text("text"));
    if (!text) return fields.wrong("text", "a string");
    if (!out.empty() && out.back() != '\n') out += '\n';
    out += *text;
  }
  return out;
}

// The blocks of one message, as the OpenAI messages that they are.
struct Turn {
  std::string text, reasoning;
  json::array calls;
  json::array results;  // messages of role tool
};

Status take_result(Turn& turn, const Fields& block, const std::string& path) {
  ASSIGN_OR_RETURN(const auto id, block.text("tool_use_id"));
  std::string text;
  if (const json::value* content = block.find("content")) {
    ASSIGN_OR_RETURN(text, read_text_blocks(*content, path + ".content"));
  }
  ASSIGN_OR_RETURN(const auto is_error, block.boolean("is_error"));
  if (is_error.value_or(false) && !text.starts_with("Error")) text = "Error: " + text;
  json::object message = {{"role", "tool"}, {"content", text}};
  if (id) message["tool_call_id"] = *id;
  turn.results.push_back(std::move(message));
  return {};
}

Status take_call(Turn& turn, const Fields& block) {
  ASSIGN_OR_RETURN(const auto name, block.text("name"));
  if (!name) return block.wrong("name", "a string");
  ASSIGN_OR_RETURN(const auto id, block.text("id"));
  const json::value* input = block.find("input");
  json::object call = {{"type", "function"},
                       {"function", {{"name", *name}, {"arguments", input == nullptr ? json::object() : *input}}}};
  if (id) call["id"] = *id;
  turn.calls.push_back(std::move(call));
  return {};
}

Status take_block(Turn& turn, const json::value& value, const std::string& path) {
  if (!value.is_object()) return error(Code::kInvalidArgument, "{}: {}, want a block", path, kind_of(value));
  const Fields block(value.get_object(), path);
  ASSIGN_OR_RETURN(const auto type, block.text("type"));
  const std::string kind = type.value_or("absent");
  if (kind == "text") {
    ASSIGN_OR_RETURN(const auto text, block.text("text"));
    if (!text) return block.wrong("text", "a string");
    if (!turn.text.empty() && turn.text.back() != '\n') turn.text += '\n';
    turn.text += *text;
    return {};
  }
  if (kind == "thinking") {
    ASSIGN_OR_RETURN(const auto text, block.text("thinking"));
    turn.reasoning += text.value_or("");
    return {};
  }
  if (kind == "redacted_thinking") return {};
  if (kind == "tool_use") return take_call(turn, block);
  if (kind == "tool_result") return take_result(turn, block, path);
  return error(Code::kInvalidArgument, "{}.type: {}, want text, thinking, tool_use or tool_result", path,
               printable(kind));
}

Status add_message(json::array& out, const json::value& value, const std::string& path) {
  if (!value.is_object()) return error(Code::kInvalidArgument, "{}: {}, want an object", path, kind_of(value));
  const Fields fields(value.get_object(), path);
  ASSIGN_OR_RETURN(const auto role, fields.text("role"));
  if (!role || (*role != "user" && *role != "assistant" && *role != "system"))
    return error(Code::kInvalidArgument, "{}.role: {}, want user or assistant", path,
                 printable(role.value_or("absent")));
  const json::value* content = fields.find("content");
  if (content == nullptr) return fields.wrong("content", "a string or an array of blocks");
  Turn turn;
  if (content->is_string()) {
    turn.text = content->get_string();
  } else if (content->is_array()) {
    for (size_t i = 0; i < content->get_array().size(); ++i)
      RETURN_IF_ERROR(take_block(turn, content->get_array()[i], fmt::format("{}.content[{}]", path, i)));
  } else {
    return fields.wrong("content", "a string or an array of blocks");
  }
  // The results answer the turn before; what the user says beside them comes after.
  const bool has_results = !turn.results.empty();
  for (json::value& result : turn.results) out.push_back(std::move(result));
  if (has_results && turn.text.empty()) return {};
  json::object message = {{"role", *role}, {"content", turn.text}};
  if (!turn.calls.empty()) message["tool_calls"] = std::move(turn.calls);
  if (!turn.reasoning.empty()) message["reasoning_content"] = turn.reasoning;
  out.push_back(std::move(message));
  return {};
}

Result<json::array> read_messages(const Fields& fields) {
  json::array out;
  if (const json::value* system = fields.find("system")) {
    ASSIGN_OR_RETURN(std::string text, read_text_blocks(*system, "system"));
    text = without_billing_line(std::move(text));
    if (!text.empty()) out.push_back({{"role", "system"}, {"content", text}});
  }
  ASSIGN_OR_RETURN(const json::array* given, fields.array("messages"));
  if (given == nullptr) return fields.wrong("messages", "an array");
  if (given->empty()) return error(Code::kInvalidArgument, "messages: empty, want at least one message");
  for (size_t i = 0; i < given->size(); ++i)
    RETURN_IF_ERROR(add_message(out, (*given)[i], fmt::format("messages[{}]", i)));
  return out;
}

// Tools of Anthropic's own, which its servers run, are left out: the model cannot call them.
Result<json::array> read_tools(const Fields& fields) {
  ASSIGN_OR_RETURN(const json::array* given, fields.array("tools"));
  json::array out;
  for (size_t i = 0; given != nullptr && i < given->size(); ++i) {
    const std::string path = fmt::format("tools[{}]", i);
    const json::value& tool = (*given)[i];
    if (!tool.is_object()) return error(Code::kInvalidArgument, "{}: {}, want an object", path, kind_of(tool));
    const Fields inside(tool.get_object(), path);
    ASSIGN_OR_RETURN(const auto type, inside.text("type"));
    if (type && *type != "custom") {
      spdlog::warn("{}.type: {}, left out: not a tool of the client's", path, printable(*type));
      continue;
    }
    ASSIGN_OR_RETURN(const auto name, inside.text("name"));
    if (!name || name->empty()) return inside.wrong("name", "a name");
    ASSIGN_OR_RETURN(const auto about, inside.text("description"));
    ASSIGN_OR_RETURN(const json::object* schema, inside.object("input_schema"));
    if (schema == nullptr) return inside.wrong("input_schema", "an object");
    json::object function = {{"name", *name}, {"parameters", *schema}};
    if (about) function["description"] = *about;
    out.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return out;
}

Status read_tool_choice(const Fields& fields, ChatInput& out) {
  ASSIGN_OR_RETURN(const json::object* choice, fields.object("tool_choice"));
  if (choice == nullptr) return {};
  const Fields inside(*choice, "tool_choice");
  ASSIGN_OR_RETURN(const auto type, inside.text("type"));
  ASSIGN_OR_RETURN(const auto alone, inside.boolean("disable_parallel_tool_use"));
  out.parallel_calls = !alone.value_or(false);
  const std::string kind = type.value_or("absent");
  if (kind == "auto") return {};
  if (kind == "none") {
    out.tool_choice.kind = ToolChoice::Kind::kNone;
  } else if (kind == "any") {
    out.tool_choice.kind = ToolChoice::Kind::kRequired;
  } else if (kind == "tool") {
    ASSIGN_OR_RETURN(const auto name, inside.text("name"));
    if (!name) return inside.wrong("name", "a string");
    out.tool_choice = {ToolChoice::Kind::kNamed, *name};
  } else {
    return error(Code::kInvalidArgument, "tool_choice.type: {}, want auto, any, tool or none", printable(kind));
  }
  return {};
}

Result<ChatInput> read_input(const Fields& fields) {
  ChatInput out;
  ASSIGN_OR_RETURN(const json::array given, read_messages(fields));
  ASSIGN_OR_RETURN(out.messages, chat::normalise_messages(given));
  ASSIGN_OR_RETURN(const json::array tools, read_tools(fields));
  ASSIGN_OR_RETURN(out.tools, chat::normalise_tools(tools));
  RETURN_IF_ERROR(read_tool_choice(fields, out));
  ASSIGN_OR_RETURN(const json::object* thinking, fields.object("thinking"));
  if (thinking != nullptr) {
    ASSIGN_OR_RETURN(const auto type, Fields(*thinking, "thinking").text("type"));
    out.template_arguments["enable_thinking"] = type.value_or("") != "disabled";
  }
  return out;
}

class MessageJob final : public Job {
 public:
  MessageJob(std::string model_name, bool streams, engine::Request request, const ChatPrompt& prompt)
      : id_(new_id("msg_")),
        model_name_(std::move(model_name)),
        streams_(streams),
        n_prompt_(std::ssize(prompt.ids)),
        parser_(prompt.answer) {
    requests_.push_back(std::move(request));
  }

  std::vector<engine::Request> take_requests() override { return std::move(requests_); }
  bool streams() const override { return streams_; }

  std::string begin() override {
    std::string out = event("message_start", {{"message", message(json::array(), nullptr, nullptr, 0)}});
    out += event("ping", {});
    return out;
  }

  std::string on_event(const Event& given) override {
    if (given.kind == Event::Kind::kProgress || is_finished_) return {};
    std::string out = parsed(parser_.push(valid_utf8(given.text)));
    if (parser_.is_done() && !std::exchange(is_cut_, true)) is_done_ = true;
    if (given.kind == Event::Kind::kFinish) out += finish(given);
    return out;
  }

  std::vector<int> take_done() override {
    return std::exchange(is_done_, false) ? std::vector<int>{0} : std::vector<int>();
  }
  std::string keep_alive() const override { return sse(R"({"type":"ping"})", "ping"); }
  std::string failure(const ApiError& error) const override {
    return sse(error_body(error, Dialect::kAnthropic, ""), "error");
  }

  HttpResponse response() override {
    return {.status = 200,
            .body = json::serialize(message(
                blocks(), json::string(stop_reason_),
                stop_string_.empty() ? json::value(nullptr) : json::value(json::string(stop_string_)), n_output_))};
  }

 private:
  struct Block {
    Kind kind;  // kText, kReasoning, kCallBegin
    std::string id, name, text;
  };

  json::object message(json::array content, json::value stop_reason, json::value stop_sequence,
                       int64_t n_output) const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", model_name_},
            {"content", std::move(content)},
            {"stop_reason", std::move(stop_reason)},
            {"stop_sequence", std::move(stop_sequence)},
            {"usage", usage(n_output)}};
  }

  // Clients add up the three kinds of input. Writing to the cache costs nothing, and is not told apart.
  json::object usage(int64_t n_output) const {
    return {{"input_tokens", n_prompt_ - n_cached_},
            {"output_tokens", n_output},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", n_cached_}};
  }

  std::string event(std::string_view type, json::object fields) const {
    if (!streams_) return {};
    json::object out = {{"type", type}};
    for (auto& [name, value] : fields) out[name] = std::move(value);
    return sse(json::serialize(out), type);
  }

  json::array blocks() const {
    json::array out;
    for (const Block& block : blocks_) {
      if (block.kind == Kind::kText) {
        out.push_back({{"type", "text"}, {"text", block.text}});
      } else if (block.kind == Kind::kReasoning) {
        out.push_back({{"type", "thinking"}, {"thinking", block.text}, {"signature", ""}});
      } else {
        // The parser's promise: an object.
        out.push_back(
            {{"type", "tool_use"}, {"id", block.id}, {"name", block.name}, {"input", json::parse(block.text)}});
      }
    }
    return out;
  }

  std::string open(Kind kind, const std::string& name) {
    blocks_.push_back({kind, kind == Kind::kCallBegin ? new_id("toolu_") : "", name, ""});
    is_open_ = true;
    json::object block;
    if (kind == Kind::kText) block = {{"type", "text"}, {"text", ""}};
    if (kind == Kind::kReasoning) block = {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
    if (kind == Kind::kCallBegin)
      block = {{"type", "tool_use"}, {"id", blocks_.back().id}, {"name", name}, {"input", json::object()}};
    return event("content_block_start", {{"index", blocks_.size() - 1}, {"content_block", std::move(block)}});
  }

  std::string close() {
    if (!std::exchange(is_open_, false)) return {};
    std::string out;
    if (blocks_.back().kind == Kind::kReasoning) out = delta({{"type", "signature_delta"}, {"signature", ""}});
    return out + event("content_block_stop", {{"index", blocks_.size() - 1}});
  }

  std::string delta(json::object fields) const {
    return event("content_block_delta", {{"index", blocks_.size() - 1}, {"delta", std::move(fields)}});
  }

  std::string parsed(const std::vector<chat::AnswerEvent>& events) {
    std::string out;
    for (const chat::AnswerEvent& one : events) {
      switch (one.kind) {
        case Kind::kText:
        case Kind::kReasoning:
          if (!is_open_ || blocks_.back().kind != one.kind) {
            out += close();
            out += open(one.kind, "");
          }
          out += one.kind == Kind::kText ? delta({{"type", "text_delta"}, {"text", one.text}})
                                         : delta({{"type", "thinking_delta"}, {"thinking", one.text}});
          blocks_.back().text += one.text;
          break;
        case Kind::kCallBegin:
          out += close();
          out += open(one.kind, one.text);
          break;
        case Kind::kCallArguments:
          out += delta({{"type", "input_json_delta"}, {"partial_json", one.text}});
          blocks_.back().text += one.text;
          break;
        case Kind::kCallEnd: out += close(); break;
      }
    }
    return out;
  }

  std::string finish(const Event& given) {
    std::string out = parsed(parser_.finish());
    out += close();
    is_finished_ = true;
    n_output_ = given.timings.n_output;
    n_cached_ = given.timings.n_cached;
    stop_string_ = valid_utf8(given.stop_string);
    const bool has_calls = parser_.n_call() > 0;
    stop_reason_ = given.reason == engine::FinishReason::kLength ? "max_tokens"
                   : !stop_string_.empty()                       ? "stop_sequence"
                   : has_calls                                   ? "tool_use"
                                                                 : "end_turn";
    json::object last = {{"stop_reason", stop_reason_}, {"stop_sequence", nullptr}};
    if (!stop_string_.empty()) last["stop_sequence"] = stop_string_;
    out += event("message_delta", {{"delta", std::move(last)}, {"usage", usage(n_output_)}});
    return out + event("message_stop", {});
  }

  std::string id_, model_name_;
  bool streams_;
  int64_t n_prompt_;
  std::vector<engine::Request> requests_;
  chat::AnswerParser parser_;
  std::vector<Block> blocks_;
  bool is_open_ = false;  // the last block
  bool is_cut_ = false, is_done_ = false, is_finished_ = false;
  std::string stop_reason_, stop_string_;
  int64_t n_output_ = 0;
  int64_t n_cached_ = 0;  // of the prompt; known at the end
};

}  // namespace

Api<Reply> messages(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  ASSIGN_OR_RETURN(const auto name, fields.text("model"));
  ASSIGN_OR_RETURN(const auto streams, fields.boolean("stream"));
  ASSIGN_OR_RETURN(const auto max_tokens, fields.integer("max_tokens", 1, INT64_MAX));
  if (!max_tokens) return tl::make_unexpected(ApiError(fields.wrong("max_tokens", "a whole number from 1").value()));
  ASSIGN_OR_RETURN(engine::Request request, read_sampling(fields, model));
  ASSIGN_OR_RETURN(request.stop, read_stop(fields, "stop_sequences"));
  ASSIGN_OR_RETURN(const ChatInput input, read_input(fields));
  ASSIGN_OR_RETURN(const ChatPrompt prompt, make_prompt(input, model));
  if (prompt.ids.size() > static_cast<size_t>(model.n_ctx))
    return refuse(400, fmt::format("prompt is too long: {} tokens > {} maximum", prompt.ids.size(), model.n_ctx));
  request.prompt = prompt.ids;
  request.grammar = prompt.grammar;
  request.max_output = static_cast<int>(std::min<int64_t>(*max_tokens, model.n_ctx));
  const std::string shown = name && !name->empty() ? *name : model.name;
  return Reply(std::make_unique<MessageJob>(shown, streams.value_or(false), std::move(request), prompt));
}

Api<Reply> count_message_tokens(const json::object& body, const ServedModel& model) {
  ASSIGN_OR_RETURN(const ChatInput input, read_input(Fields(body)));
  ASSIGN_OR_RETURN(const ChatPrompt prompt, make_prompt(input, model));
  return Reply(HttpResponse{.status = 200, .body = json::serialize(json::object{{"input_tokens", prompt.ids.size()}})});
}

}  // namespace tercet::server
