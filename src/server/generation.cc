#include "server/generation.h"

#include <boost/json.hpp>
#include <charconv>
#include <random>

#include "base/text.h"
#include "chat/messages.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

constexpr double kMaxTemperature = 1000;
constexpr double kMaxPenalty = 1000;
constexpr double kMaxBias = 100;

// What every reader of JSON can hold: a double's whole numbers.
uint64_t draw_seed() {
  std::random_device device;
  const uint64_t high = device();
  return (high << 32 | device()) & ((uint64_t{1} << 53) - 1);
}

Result<engine::SamplingValues> read_values(const Fields& fields) {
  engine::SamplingValues values;
  ASSIGN_OR_RETURN(values.temperature, fields.number("temperature", 0, kMaxTemperature));
  ASSIGN_OR_RETURN(values.top_p, fields.number("top_p", 0, 1));
  ASSIGN_OR_RETURN(values.min_p, fields.number("min_p", 0, 1));
  // -1 says "no limit" in vLLM's form of the API.
  ASSIGN_OR_RETURN(const auto top_k, fields.integer("top_k", -1, INT32_MAX));
  if (top_k) values.top_k = static_cast<int32_t>(std::max<int64_t>(0, *top_k));
  ASSIGN_OR_RETURN(values.repeat_penalty, fields.number("repetition_penalty", 0.001, kMaxPenalty));
  if (!values.repeat_penalty) {
    ASSIGN_OR_RETURN(values.repeat_penalty, fields.number("repeat_penalty", 0.001, kMaxPenalty));
  }
  ASSIGN_OR_RETURN(values.presence_penalty, fields.number("presence_penalty", -kMaxPenalty, kMaxPenalty));
  ASSIGN_OR_RETURN(values.frequency_penalty, fields.number("frequency_penalty", -kMaxPenalty, kMaxPenalty));
  return values;
}

Result<std::vector<backend::TokenBias>> read_bias(const Fields& fields, const ServedModel& model) {
  ASSIGN_OR_RETURN(const json::object* given, fields.object("logit_bias"));
  std::vector<backend::TokenBias> out;
  if (given == nullptr) return out;
  const Fields inside(*given, fields.path("logit_bias"));
  for (const auto& [key, value] : *given) {
    int id = -1;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || id < 0 || id >= model.n_vocab)
      return error(Code::kInvalidArgument, "{}: key {}, want token ids, 0 to {}", fields.path("logit_bias"),
                   printable(key), model.n_vocab - 1);
    ASSIGN_OR_RETURN(const auto bias, inside.number(key, -kMaxBias, kMaxBias));
    if (bias) out.push_back({id, *bias});
  }
  return out;
}

bool has_tool(const json::array& tools, std::string_view name) {
  for (const json::value& tool : tools)
    if (tool.at("function").at("name").as_string() == name) return true;
  return false;
}

chat::Conversation conversation_of(const ChatInput& input, const ServedModel& model) {
  chat::Conversation out;
  out.messages = input.messages;
  if (input.tool_choice.kind != ToolChoice::Kind::kNone) out.tools = input.tools;
  out.add_generation_prompt = true;
  out.bos_token = model.bos_token;
  out.eos_token = model.eos_token;
  for (const auto& [name, value] : input.template_arguments) {
    // These belong to the request itself.
    if (name != "messages" && name != "tools" && name != "add_generation_prompt") out.extra[name] = value;
  }
  return out;
}

bool ends_with_think(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text.ends_with("<think>");
}

}  // namespace

Result<std::vector<std::string>> read_stop(const Fields& fields, std::string_view name) {
  std::vector<std::string> out;
  const json::value* given = fields.find(name);
  if (given == nullptr) return out;
  if (given->is_string()) {
    if (!given->get_string().empty()) out.emplace_back(given->get_string());
    return out;
  }
  if (!given->is_array()) return fields.wrong(name, "a string or an array of strings");
  size_t i = 0;
  for (const json::value& one : given->get_array()) {
    const std::string path = fmt::format("{}[{}]", fields.path(name), i++);
    if (!one.is_string()) return error(Code::kInvalidArgument, "{}: {}, want a string", path, kind_of(one));
    if (one.get_string().empty()) return error(Code::kInvalidArgument, "{}: empty, want at least one character", path);
    out.emplace_back(one.get_string());
  }
  return out;
}

Result<engine::Request> read_sampling(const Fields& fields, const ServedModel& model) {
  engine::Request request;
  ASSIGN_OR_RETURN(const engine::SamplingValues values, read_values(fields));
  request.sampling = engine::choose_sampling(values, model.defaults).sampling;
  ASSIGN_OR_RETURN(const auto seed, fields.integer("seed", INT64_MIN, INT64_MAX));
  request.sampling.seed = seed ? static_cast<uint64_t>(*seed) : draw_seed();
  ASSIGN_OR_RETURN(request.stop, read_stop(fields, "stop"));
  ASSIGN_OR_RETURN(request.bias, read_bias(fields, model));
  ASSIGN_OR_RETURN(const auto ignores, fields.boolean("ignore_eos"));
  request.ignore_eos = ignores.value_or(false);
  ASSIGN_OR_RETURN(const auto uses_cache, fields.boolean("cache_prompt"));
  request.uses_cache = uses_cache.value_or(true);
  ASSIGN_OR_RETURN(const auto limit, fields.number("timeout", 0.001, 1e6));
  const double limit_s = limit ? double{*limit} : model.time_limit_s;
  request.time_limit_ms = 1000 * (model.time_limit_s > 0 ? std::min(limit_s, model.time_limit_s) : limit_s);
  return request;
}

std::vector<engine::Request> copies_of(const engine::Request& request, int n) {
  std::vector<engine::Request> out;
  for (int i = 0; i < n; ++i) {
    out.push_back(request);
    out.back().sampling.seed += static_cast<uint64_t>(i);
  }
  return out;
}

Result<std::string> render_prompt(const ChatInput& input, const ServedModel& model) {
  if (model.chat_template == nullptr)
    return error(Code::kInvalidArgument, "messages: given to a model without a chat template, want /v1/completions");
  return chat::render_messages(*model.chat_template, conversation_of(input, model));
}

Api<ChatPrompt> make_prompt(const ChatInput& input, const ServedModel& model) {
  const ToolChoice& choice = input.tool_choice;
  if (choice.kind == ToolChoice::Kind::kNamed && !has_tool(input.tools, choice.name))
    return refuse(400, fmt::format("tool_choice: {}, want one of the tools", printable(choice.name)), "",
                  "tool_choice");
  if (choice.kind == ToolChoice::Kind::kRequired && input.tools.empty())
    return refuse(400, "tool_choice: required, want tools", "", "tool_choice");
  ChatPrompt out;
  ASSIGN_OR_RETURN(const std::string text, render_prompt(input, model));
  if (choice.kind != ToolChoice::Kind::kNone) out.answer.tools = input.tools;
  out.answer.in_reasoning = ends_with_think(text);
  if (!input.parallel_calls) out.answer.max_calls = 1;
  ASSIGN_OR_RETURN(out.grammar, answer_grammar(input, model, out.answer.in_reasoning));
  out.ids = model.tokenizer->encode(text, true);
  if (out.ids.empty()) return refuse(400, "messages: 0 tokens, want at least 1", "", "messages");
  return out;
}

Api<void> check_length(size_t n_prompt, const ServedModel& model, std::optional<int64_t> wanted) {
  if (n_prompt <= static_cast<size_t>(model.n_ctx)) return {};
  std::string text = fmt::format("This model's maximum context length is {} tokens. However, your prompt has {} tokens",
                                 model.n_ctx, n_prompt);
  if (wanted) text += fmt::format(" (and {} were asked for in the completion)", *wanted);
  return refuse(400, text + ". Please shorten it.", "context_length_exceeded", "messages");
}

}  // namespace tercet::server
