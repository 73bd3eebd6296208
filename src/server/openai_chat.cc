// POST /v1/chat/completions
#include <boost/json.hpp>
#include <optional>

#include "base/text.h"
#include "server/openai.h"

namespace tercet::server {
namespace {

namespace json = boost::json;
using Kind = chat::AnswerEvent::Kind;

struct Call {
  std::string id, name, arguments;
};

struct Choice {
  explicit Choice(const chat::AnswerOptions& options) : parser(options) {}
  chat::AnswerParser parser;
  std::string text, reasoning;
  std::vector<Call> calls;
  json::array logprobs;
  bool has_begun = false;  // its first delta, with the role, is out
  bool is_cut = false;     // its calls are all there: no more tokens are needed
  bool is_finished = false;
  std::string finish_reason;
  engine::Timings timings;
};

struct Logprobs {
  bool wanted = false;
  int n_top = 0;
};

class ChatJob final : public Job {
 public:
  ChatJob(AnswerShape shape, std::vector<engine::Request> requests, const ChatPrompt& prompt, const Logprobs& logprobs,
          const ServedModel& model)
      : shape_(std::move(shape)),
        requests_(std::move(requests)),
        wants_logprobs_(logprobs.wanted),
        n_top_(logprobs.n_top),
        n_prompt_(static_cast<int64_t>(prompt.ids.size())),
        model_(model) {
    for (size_t i = 0; i < requests_.size(); ++i) choices_.emplace_back(prompt.answer);
  }

  std::vector<engine::Request> take_requests() override { return std::move(requests_); }
  bool streams() const override { return shape_.streams; }

  std::string begin() override {
    std::string out;
    for (size_t i = 0; i < choices_.size(); ++i) {
      const std::string first = parsed(static_cast<int>(i), {}, nullptr);
      if (shape_.streams) out += first;
    }
    return out;
  }

  std::string on_event(const Event& event) override {
    Choice& choice = choices_.at(static_cast<size_t>(event.choice));
    if (choice.is_finished) return {};
    if (event.kind == Event::Kind::kProgress) return progress(event);
    if (event.kind == Event::Kind::kFinish) return finish(choice, event);
    json::array logprobs;
    if (wants_logprobs_) {
      logprobs.push_back(logprob_json(event));
      choice.logprobs.push_back(logprobs[0]);
    }
    return parsed(event.choice, choice.parser.push(valid_utf8(event.text)), wants_logprobs_ ? &logprobs : nullptr);
  }

  std::string end() override {
    if (!shape_.streams) return {};
    std::string out;
    if (shape_.includes_usage) {
      json::object last = head();
      last["choices"] = json::array();
      last["usage"] = usage();
      out += sse(json::serialize(last));
    }
    return out + sse("[DONE]");
  }

  std::vector<int> take_done() override { return std::exchange(done_, {}); }
  std::string failure(const ApiError& error) const override {
    return sse(error_body(error, Dialect::kOpenAi, "")) + sse("[DONE]");
  }

  HttpResponse response() override {
    json::object out = head();
    json::array choices;
    for (size_t i = 0; i < choices_.size(); ++i) choices.push_back(choice_json(static_cast<int>(i)));
    out["choices"] = std::move(choices);
    out["usage"] = usage();
    return {.status = 200, .body = json::serialize(out)};
  }

 private:
  json::object head() const {
    return {{"id", shape_.id},
            {"object", shape_.streams ? "chat.completion.chunk" : "chat.completion"},
            {"created", shape_.created},
            {"model", shape_.model},
            {"system_fingerprint", "tercet"}};
  }

  std::string chunk(int index, json::object delta, const json::array* logprobs, const std::string& finish_reason = "") {
    if (!shape_.streams) return {};
    json::object choice = {
        {"index", index}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (logprobs != nullptr) choice["logprobs"] = {{"content", *logprobs}};
    if (!finish_reason.empty()) choice["finish_reason"] = finish_reason;
    json::object out = head();
    out["choices"] = json::array{std::move(choice)};
    if (shape_.includes_usage) out["usage"] = nullptr;
    return sse(json::serialize(out));
  }

  // The parser's events as deltas; the first of a choice carries the role, the first of an event its log-probabilities.
  std::string parsed(int index, const std::vector<chat::AnswerEvent>& events, const json::array* logprobs) {
    Choice& choice = choices_.at(static_cast<size_t>(index));
    std::string out;
    if (!choice.has_begun) {
      out += chunk(index, {{"role", "assistant"}, {"content", ""}}, nullptr);
      choice.has_begun = true;
    }
    for (const chat::AnswerEvent& event : events) {
      if (json::object delta = take(choice, event); !delta.empty())
        out += chunk(index, std::move(delta), std::exchange(logprobs, nullptr));
    }
    if (logprobs != nullptr) out += chunk(index, {{"content", ""}}, logprobs);
    if (choice.parser.is_done() && !choice.is_cut) {
      choice.is_cut = true;
      done_.push_back(index);
    }
    return out;
  }

  json::object take(Choice& choice, const chat::AnswerEvent& event) {
    const auto call_delta = [&](json::object call) {
      call["index"] = event.call;
      return json::object{{"tool_calls", json::array{std::move(call)}}};
    };
    switch (event.kind) {
      case Kind::kText: choice.text += event.text; return {{"content", event.text}};
      case Kind::kReasoning: choice.reasoning += event.text; return {{"reasoning_content", event.text}};
      case Kind::kCallBegin: {
        choice.calls.push_back({new_id("call_"), event.text, ""});
        const Call& call = choice.calls.back();
        return call_delta(
            {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", ""}}}});
      }
      case Kind::kCallArguments:
        choice.calls.back().arguments += event.text;
        return call_delta({{"function", {{"arguments", event.text}}}});
      case Kind::kCallEnd: return {};
    }
    return {};
  }

  std::string finish(Choice& choice, const Event& event) {
    std::string out = parsed(event.choice, choice.parser.push(valid_utf8(event.text)), nullptr);
    out += parsed(event.choice, choice.parser.finish(), nullptr);
    choice.is_finished = true;
    choice.timings = event.timings;
    choice.finish_reason = openai_finish_reason(event.reason);
    if (!choice.calls.empty() && choice.finish_reason == "stop") choice.finish_reason = "tool_calls";
    return out + chunk(event.choice, {}, nullptr, choice.finish_reason);
  }

  std::string progress(const Event& event) {
    if (!shape_.streams || !shape_.returns_progress) return {};
    json::object out = head();
    out["choices"] = json::array();
    out["prompt_progress"] = {{"total", n_prompt_},
                              {"cache", event.progress.n_cached},
                              {"processed", event.progress.n_done},
                              {"time_ms", event.progress.ms}};
    return sse(json::serialize(out));
  }

  json::object token_json(engine::TokenId token, float logprob) const {
    const auto bytes = model_.tokenizer->token_bytes(token);
    const std::string text = bytes ? *bytes : "";
    json::array list;
    for (const char c : text) list.push_back(static_cast<unsigned char>(c));
    // JSON has no word for minus infinity; OpenAI writes this for what is out of reach.
    return {{"token", valid_utf8(text)}, {"logprob", std::max(logprob, -9999.0F)}, {"bytes", std::move(list)}};
  }

  json::object logprob_json(const Event& event) const {
    json::object out = token_json(event.token, event.logprob);
    json::array top;
    for (const auto& one : event.top)
      if (std::ssize(top) < n_top_) top.push_back(token_json(one.token, one.logprob));
    out["top_logprobs"] = std::move(top);
    return out;
  }

  json::object choice_json(int index) const {
    const Choice& choice = choices_.at(static_cast<size_t>(index));
    json::object message = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
    if (!choice.calls.empty()) {
      if (choice.text.empty()) message["content"] = nullptr;
      json::array calls;
      for (const Call& call : choice.calls)
        calls.push_back({{"id", call.id},
                         {"type", "function"},
                         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
      message["tool_calls"] = std::move(calls);
    }
    json::object out = {{"index", index},
                        {"message", std::move(message)},
                        {"logprobs", nullptr},
                        {"finish_reason", choice.finish_reason}};
    if (wants_logprobs_) out["logprobs"] = {{"content", choice.logprobs}};
    return out;
  }

  json::object usage() const {
    int64_t n_output = 0;
    for (const Choice& choice : choices_) n_output += choice.timings.n_output;
    // Of several choices the first is the one that could find least.
    return usage_json(n_prompt_, n_output, choices_.front().timings.n_cached);
  }

 private:
  AnswerShape shape_;
  std::vector<engine::Request> requests_;
  bool wants_logprobs_;
  int64_t n_top_;  // log-probabilities of others than the token
  int64_t n_prompt_;
  const ServedModel& model_;
  std::vector<Choice> choices_;
  std::vector<int> done_;
};

Result<Logprobs> read_logprobs(const Fields& fields) {
  Logprobs out;
  ASSIGN_OR_RETURN(const auto wanted, fields.boolean("logprobs"));
  ASSIGN_OR_RETURN(const auto n_top, fields.integer("top_logprobs", 0, kMaxTopLogprobs));
  if (n_top.value_or(0) > 0 && !wanted.value_or(false))
    return error(Code::kInvalidArgument, "top_logprobs: {}, want logprobs: true with it", *n_top);
  out.wanted = wanted.value_or(false);
  out.n_top = static_cast<int>(n_top.value_or(0));
  return out;
}

Result<std::optional<int64_t>> read_max_tokens(const Fields& fields) {
  ASSIGN_OR_RETURN(auto max_tokens, fields.integer("max_completion_tokens", 0, INT64_MAX));
  ASSIGN_OR_RETURN(const auto old, fields.integer("max_tokens", -1, INT64_MAX));
  if (!max_tokens && old && *old >= 0) max_tokens = old;  // -1: no limit, as llama.cpp's clients say
  return max_tokens;
}

}  // namespace

Api<Reply> chat_completions(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  ASSIGN_OR_RETURN(AnswerShape shape, read_shape(fields, model, "chatcmpl-"));
  ASSIGN_OR_RETURN(engine::Request request, read_sampling(fields, model));
  ASSIGN_OR_RETURN(const auto n, fields.integer("n", 1, kMaxChoices));
  ASSIGN_OR_RETURN(const Logprobs logprobs, read_logprobs(fields));
  ASSIGN_OR_RETURN(const auto max_tokens, read_max_tokens(fields));
  ASSIGN_OR_RETURN(const ChatInput input, read_chat_input(fields));
  ASSIGN_OR_RETURN(const ChatPrompt prompt, make_prompt(input, model));
  RETURN_IF_ERROR(check_length(prompt.ids.size(), model, max_tokens));
  request.prompt = prompt.ids;
  request.grammar = prompt.grammar;
  if (max_tokens) request.max_output = static_cast<int>(std::min<int64_t>(*max_tokens, model.n_ctx));
  if (logprobs.wanted) request.n_logprob = std::max(1, logprobs.n_top);
  auto job = std::make_unique<ChatJob>(std::move(shape), copies_of(request, static_cast<int>(n.value_or(1))), prompt,
                                       logprobs, model);
  return Reply(std::move(job));
}

}  // namespace tercet::server
