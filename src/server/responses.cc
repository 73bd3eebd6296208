#include "server/responses.h"

#include <boost/json.hpp>
#include <chrono>
#include <optional>

#include "base/text.h"

namespace tercet::server {
namespace {

namespace json = boost::json;
using Kind = chat::AnswerEvent::Kind;

class ResponseJob final : public Job {
 public:
  ResponseJob(json::object shown, bool streams, engine::Request request, const ChatPrompt& prompt)
      : shown_(std::move(shown)), streams_(streams), n_prompt_(std::ssize(prompt.ids)), parser_(prompt.answer) {
    requests_.push_back(std::move(request));
  }

  std::vector<engine::Request> take_requests() override { return std::move(requests_); }
  bool streams() const override { return streams_; }

  std::string begin() override {
    std::string out = event("response.created", {{"response", whole()}});
    return out += event("response.in_progress", {{"response", whole()}});
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

  std::string failure(const ApiError& error) const override {
    json::object failed = shown_;
    failed["status"] = "failed";
    failed["error"] = {{"code", "server_error"}, {"message", valid_utf8(error.message)}};
    failed["output"] = output_;
    const json::object last = {
        {"type", "response.failed"}, {"sequence_number", n_event_}, {"response", std::move(failed)}};
    return sse(json::serialize(last), "response.failed");
  }

  HttpResponse response() override { return {.status = 200, .body = json::serialize(whole())}; }

 private:
  // The item under way.
  struct Item {
    Kind kind;
    std::string id, call_id, name, text;
  };

  json::object whole() const {
    json::object out = shown_;
    out["status"] = status_;
    out["output"] = output_;
    if (status_ == "incomplete") out["incomplete_details"] = {{"reason", "max_output_tokens"}};
    if (is_finished_)
      out["usage"] = {{"input_tokens", n_prompt_},
                      {"input_tokens_details", {{"cached_tokens", timings_.n_cached}}},
                      {"output_tokens", timings_.n_output},
                      {"output_tokens_details", {{"reasoning_tokens", n_reasoning_}}},
                      {"total_tokens", n_prompt_ + timings_.n_output}};
    return out;
  }

  std::string event(std::string_view type, json::object fields) {
    if (!streams_) return {};
    json::object out = {{"type", type}, {"sequence_number", n_event_++}};
    for (auto& [name, value] : fields) out[name] = std::move(value);
    return sse(json::serialize(out), type);
  }

  // An event of the item under way.
  std::string item_event(std::string_view type, json::object fields, bool in_part = true) {
    json::object out = {{"item_id", item_->id}, {"output_index", output_.size()}};
    if (in_part) out["content_index"] = 0;
    for (auto& [name, value] : fields) out[name] = std::move(value);
    return event(type, std::move(out));
  }

  static json::object part(const Item& item, std::string_view text) {
    if (item.kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"}, {"text", text}, {"annotations", json::array()}, {"logprobs", json::array()}};
  }

  static json::object item_json(const Item& item, std::string_view status) {
    const bool is_begun = status == "in_progress";
    if (item.kind == Kind::kCallBegin)
      return {{"type", "function_call"}, {"id", item.id},          {"call_id", item.call_id},
              {"name", item.name},       {"arguments", item.text}, {"status", status}};
    json::array content;
    if (!is_begun) content.push_back(part(item, item.text));
    if (item.kind == Kind::kReasoning)
      return {{"type", "reasoning"},
              {"id", item.id},
              {"summary", json::array()},
              {"content", std::move(content)},
              {"status", status}};
    return {{"type", "message"},
            {"id", item.id},
            {"role", "assistant"},
            {"status", status},
            {"content", std::move(content)}};
  }

  std::string open(Kind kind, const std::string& name) {
    std::string out = close("completed");
    item_ = Item{kind,
                 new_id(kind == Kind::kCallBegin   ? "fc_"
                        : kind == Kind::kReasoning ? "rs_"
                                                   : "msg_"),
                 kind == Kind::kCallBegin ? new_id("call_") : "", name, ""};
    out += event("response.output_item.added",
                 {{"output_index", output_.size()}, {"item", item_json(*item_, "in_progress")}});
    if (kind != Kind::kCallBegin) out += item_event("response.content_part.added", {{"part", part(*item_, "")}});
    return out;
  }

  std::string close(std::string_view status) {
    if (!item_) return {};
    std::string out;
    if (item_->kind == Kind::kCallBegin) {
      out = item_event("response.function_call_arguments.done", {{"arguments", item_->text}, {"name", item_->name}},
                       false);
    } else {
      const bool is_text = item_->kind == Kind::kText;
      json::object done = {{"text", item_->text}};
      if (is_text) done["logprobs"] = json::array();
      out = item_event(is_text ? "response.output_text.done" : "response.reasoning_text.done", std::move(done));
      out += item_event("response.content_part.done", {{"part", part(*item_, item_->text)}});
    }
    json::object item = item_json(*item_, status);
    out += event("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
    item_.reset();
    return out;
  }

  std::string parsed(const std::vector<chat::AnswerEvent>& events) {
    std::string out;
    for (const chat::AnswerEvent& one : events) {
      switch (one.kind) {
        case Kind::kText:
        case Kind::kReasoning: {
          if (!item_ || item_->kind != one.kind) out += open(one.kind, "");
          item_->text += one.text;
          n_reasoning_ += one.kind == Kind::kReasoning ? 1 : 0;
          json::object delta = {{"delta", one.text}};
          if (one.kind == Kind::kText) delta["logprobs"] = json::array();
          out += item_event(one.kind == Kind::kText ? "response.output_text.delta" : "response.reasoning_text.delta",
                            std::move(delta));
          break;
        }
        case Kind::kCallBegin: out += open(one.kind, one.text); break;
        case Kind::kCallArguments:
          item_->text += one.text;
          out += item_event("response.function_call_arguments.delta", {{"delta", one.text}}, false);
          break;
        case Kind::kCallEnd: out += close("completed"); break;
      }
    }
    return out;
  }

  std::string finish(const Event& given) {
    const bool is_whole = given.reason != engine::FinishReason::kLength;
    std::string out = parsed(parser_.finish());
    out += close(is_whole ? "completed" : "incomplete");
    is_finished_ = true;
    timings_ = given.timings;
    status_ = is_whole ? "completed" : "incomplete";
    return out + event(is_whole ? "response.completed" : "response.incomplete", {{"response", whole()}});
  }

  json::object shown_;  // what of the response does not change
  bool streams_;
  int64_t n_prompt_;
  std::vector<engine::Request> requests_;
  chat::AnswerParser parser_;
  std::optional<Item> item_;
  json::array output_;
  std::string status_ = "in_progress";
  int64_t n_event_ = 0;
  int64_t n_reasoning_ = 0;  // pieces, which are tokens nearly always
  bool is_cut_ = false, is_done_ = false, is_finished_ = false;
  engine::Timings timings_;
};

// What the client is told again of its request.
json::object shown_of(const json::object& body, const ServedModel& model, const engine::Request& request) {
  json::object out = {
      {"id", new_id("resp_")},
      {"object", "response"},
      {"created_at",
       std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count()},
      {"status", "in_progress"},
      {"background", false},
      {"error", nullptr},
      {"incomplete_details", nullptr},
      {"output", json::array()},
      {"previous_response_id", nullptr},
      {"store", false},
      {"temperature", shortest(request.sampling.temperature)},
      {"top_p", shortest(request.sampling.top_p)},
      {"truncation", "disabled"},
      {"usage", nullptr}};
  const auto echo = [&](std::string_view name, const json::value& otherwise) {
    const json::value* given = body.if_contains(name);
    out[name] = given != nullptr && !given->is_null() ? *given : otherwise;
  };
  echo("instructions", nullptr);
  echo("max_output_tokens", nullptr);
  echo("metadata", json::object());
  echo("model", json::string(valid_utf8(model.name)));
  echo("parallel_tool_calls", true);
  echo("reasoning", {{"effort", nullptr}, {"summary", nullptr}});
  echo("text", {{"format", {{"type", "text"}}}});
  echo("tool_choice", "auto");
  echo("tools", json::array());
  return out;
}

}  // namespace

Api<Reply> responses(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  RETURN_IF_ERROR(fields.text("model"));
  RETURN_IF_ERROR(fields.object("metadata"));
  RETURN_IF_ERROR(fields.object("reasoning"));
  ASSIGN_OR_RETURN(const auto streams, fields.boolean("stream"));
  ASSIGN_OR_RETURN(const auto max_tokens, fields.integer("max_output_tokens", 1, INT64_MAX));
  ASSIGN_OR_RETURN(engine::Request request, read_sampling(fields, model));
  ASSIGN_OR_RETURN(const ChatInput input, read_responses_input(fields));
  ASSIGN_OR_RETURN(const ChatPrompt prompt, make_prompt(input, model));
  RETURN_IF_ERROR(check_length(prompt.ids.size(), model, max_tokens));
  request.prompt = prompt.ids;
  request.grammar = prompt.grammar;
  if (max_tokens) request.max_output = static_cast<int>(std::min<int64_t>(*max_tokens, model.n_ctx));
  json::object shown = shown_of(body, model, request);
  return Reply(std::make_unique<ResponseJob>(std::move(shown), streams.value_or(false), std::move(request), prompt));
}

}  // namespace tercet::server
