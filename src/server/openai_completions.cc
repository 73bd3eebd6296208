// POST /v1/completions
#include <boost/json.hpp>
#include <optional>

#include "base/text.h"
#include "server/openai.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

constexpr int64_t kDefaultTokens = 16;  // the API's own
constexpr int kMaxPrompts = 64;
constexpr int kMaxCompletionLogprobs = 20;

struct Choice {
  std::string text;
  json::array tokens, token_logprobs, top_logprobs, offsets;
  int64_t n_character = 0;  // of the text so far, in code points, as the offsets count
  std::string finish_reason;
  bool is_finished = false;
  int64_t n_output = 0;
  int64_t n_cached = 0;  // of its prompt
};

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; });
}

class CompletionJob final : public Job {
 public:
  CompletionJob(AnswerShape shape, std::vector<engine::Request> requests, std::vector<std::string> echoes,
                std::optional<int> n_top, const ServedModel& model)
      : shape_(std::move(shape)),
        requests_(std::move(requests)),
        echoes_(std::move(echoes)),
        n_top_(n_top),
        model_(model),
        choices_(requests_.size()) {}

  // The prompts of several choices are the same prompt, counted once.
  void count_prompts(const std::vector<std::vector<engine::TokenId>>& prompts) {
    for (const auto& prompt : prompts) n_prompt_ += std::ssize(prompt);
    n_each_ = choices_.size() / prompts.size();
  }

  std::vector<engine::Request> take_requests() override { return std::move(requests_); }
  bool streams() const override { return shape_.streams; }

  std::string begin() override {
    std::string out;
    for (size_t i = 0; i < choices_.size(); ++i)
      if (!echoes_[i].empty()) out += add(static_cast<int>(i), echoes_[i], nullptr);
    return out;
  }

  std::string on_event(const Event& event) override {
    Choice& choice = choices_.at(static_cast<size_t>(event.choice));
    if (event.kind == Event::Kind::kProgress || choice.is_finished) return {};
    if (event.kind == Event::Kind::kToken) {
      if (n_top_) note_logprobs(choice, event);
      return add(event.choice, valid_utf8(event.text), &event);
    }
    const std::string out = add(event.choice, valid_utf8(event.text), nullptr);
    choice.is_finished = true;
    choice.n_output = event.timings.n_output;
    choice.n_cached = event.timings.n_cached;
    choice.finish_reason = openai_finish_reason(event.reason);
    return shape_.streams ? out + chunk(event.choice, "", nullptr, choice.finish_reason) : out;
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

  std::string failure(const ApiError& error) const override {
    return sse(error_body(error, Dialect::kOpenAi, "")) + sse("[DONE]");
  }

  HttpResponse response() override {
    json::object out = head();
    json::array choices;
    for (size_t i = 0; i < choices_.size(); ++i) {
      const Choice& choice = choices_[i];
      json::object one = {
          {"index", i}, {"text", choice.text}, {"logprobs", nullptr}, {"finish_reason", choice.finish_reason}};
      if (n_top_)
        one["logprobs"] = {{"tokens", choice.tokens},
                           {"token_logprobs", choice.token_logprobs},
                           {"top_logprobs", choice.top_logprobs},
                           {"text_offset", choice.offsets}};
      choices.push_back(std::move(one));
    }
    out["choices"] = std::move(choices);
    out["usage"] = usage();
    return {.status = 200, .body = json::serialize(out)};
  }

 private:
  json::object head() const {
    return {{"id", shape_.id},
            {"object", "text_completion"},
            {"created", shape_.created},
            {"model", shape_.model},
            {"system_fingerprint", "tercet"}};
  }

  json::object usage() const {
    int64_t n_output = 0;
    int64_t n_cached = 0;
    for (size_t i = 0; i < choices_.size(); ++i) {
      n_output += choices_[i].n_output;
      if (i % n_each_ == 0) n_cached += choices_[i].n_cached;
    }
    return usage_json(n_prompt_, n_output, n_cached);
  }

  std::string token_text(engine::TokenId token) const {
    const auto bytes = model_.tokenizer->token_bytes(token);
    return bytes ? valid_utf8(*bytes) : "";
  }

  void note_logprobs(Choice& choice, const Event& event) const {
    choice.tokens.push_back(json::string(token_text(event.token)));
    choice.token_logprobs.push_back(std::max(event.logprob, -9999.0F));
    json::object top;
    for (const auto& one : event.top)
      if (std::ssize(top) < *n_top_) top[token_text(one.token)] = std::max(one.logprob, -9999.0F);
    choice.top_logprobs.push_back(std::move(top));
    choice.offsets.push_back(choice.n_character);
  }

  std::string add(int index, const std::string& text, const Event* event) {
    Choice& choice = choices_.at(static_cast<size_t>(index));
    choice.text += text;
    choice.n_character += count_characters(text);
    if (!shape_.streams || (text.empty() && (event == nullptr || !n_top_))) return {};
    json::object logprobs;
    if (event != nullptr && n_top_)
      logprobs = {{"tokens", json::array{choice.tokens.back()}},
                  {"token_logprobs", json::array{choice.token_logprobs.back()}},
                  {"top_logprobs", json::array{choice.top_logprobs.back()}},
                  {"text_offset", json::array{choice.offsets.back()}}};
    return chunk(index, text, logprobs.empty() ? nullptr : &logprobs, "");
  }

  std::string chunk(int index, const std::string& text, const json::object* logprobs, const std::string& reason) const {
    json::object choice = {{"index", index}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (logprobs != nullptr) choice["logprobs"] = *logprobs;
    if (!reason.empty()) choice["finish_reason"] = reason;
    json::object out = head();
    out["choices"] = json::array{std::move(choice)};
    if (shape_.includes_usage) out["usage"] = nullptr;
    return sse(json::serialize(out));
  }

  AnswerShape shape_;
  std::vector<engine::Request> requests_;
  std::vector<std::string> echoes_;  // of each choice: its prompt, or nothing
  std::optional<int> n_top_;         // log-probabilities, if asked
  const ServedModel& model_;
  int64_t n_prompt_ = 0;
  size_t n_each_ = 1;  // choices of a prompt, which stand together
  std::vector<Choice> choices_;
};

using Ids = std::vector<engine::TokenId>;

std::vector<engine::TokenId> encode(std::string_view text, const ServedModel& model) {
  Ids ids = model.tokenizer->encode(text, true);
  if (model.tokenizer->add_bos() && model.tokenizer->bos()) ids.insert(ids.begin(), *model.tokenizer->bos());
  return ids;
}

Result<Ids> read_ids(const json::array& given, const std::string& path, const ServedModel& model) {
  Ids out;
  for (size_t i = 0; i < given.size(); ++i) {
    const json::value& id = given[i];
    const auto number = whole_number(id);
    if (!number || *number < 0 || *number >= model.n_vocab)
      return error(Code::kInvalidArgument, "{}[{}]: {}, want a token id, 0 to {}", path, i,
                   id.is_number() ? json::serialize(id) : std::string(kind_of(id)), model.n_vocab - 1);
    out.push_back(static_cast<engine::TokenId>(*number));
  }
  return out;
}

// A text, texts, ids, or arrays of ids.
Result<std::vector<Ids>> read_prompts(const Fields& fields, const ServedModel& model) {
  const json::value* given = fields.find("prompt");
  constexpr std::string_view kWanted = "a string, an array of strings, token ids, or arrays of token ids";
  if (given == nullptr) return fields.wrong("prompt", kWanted);
  if (given->is_string()) return std::vector<Ids>{encode(given->get_string(), model)};
  if (!given->is_array()) return fields.wrong("prompt", kWanted);
  const json::array& list = given->get_array();
  if (list.empty()) return error(Code::kInvalidArgument, "prompt: empty, want {}", kWanted);
  std::vector<Ids> out;
  if (list[0].is_number()) {
    ASSIGN_OR_RETURN(Ids ids, read_ids(list, "prompt", model));
    out.push_back(std::move(ids));
    return out;
  }
  if (list.size() > kMaxPrompts)
    return error(Code::kInvalidArgument, "prompt: {} prompts, want at most {}", list.size(), kMaxPrompts);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string path = fmt::format("prompt[{}]", i);
    if (list[i].is_string()) {
      out.push_back(encode(list[i].get_string(), model));
    } else if (list[i].is_array()) {
      ASSIGN_OR_RETURN(Ids ids, read_ids(list[i].get_array(), path, model));
      out.push_back(std::move(ids));
    } else {
      return error(Code::kInvalidArgument, "{}: {}, want a string or token ids", path, kind_of(list[i]));
    }
  }
  return out;
}

// The text between prompt and suffix is asked for with the vocabulary's own marks.
Status add_suffix(std::vector<Ids>& prompts, const std::string& suffix, const ServedModel& model) {
  const tokenizer::Tokenizer& tokenizer = *model.tokenizer;
  const auto before = tokenizer.find("<|fim_prefix|>");
  const auto after = tokenizer.find("<|fim_suffix|>");
  const auto middle = tokenizer.find("<|fim_middle|>");
  if (!before || !after || !middle)
    return error(Code::kInvalidArgument, "suffix: given to a model without marks for it, want none");
  const Ids end = tokenizer.encode(suffix, true);
  for (Ids& prompt : prompts) {
    prompt.insert(prompt.begin(), *before);
    prompt.push_back(*after);
    prompt.insert(prompt.end(), end.begin(), end.end());
    prompt.push_back(*middle);
  }
  return {};
}

}  // namespace

Api<Reply> completions(const json::object& body, const ServedModel& model) {
  const Fields fields(body);
  ASSIGN_OR_RETURN(AnswerShape shape, read_shape(fields, model, "cmpl-"));
  ASSIGN_OR_RETURN(engine::Request request, read_sampling(fields, model));
  ASSIGN_OR_RETURN(const auto n, fields.integer("n", 1, kMaxChoices));
  ASSIGN_OR_RETURN(const auto n_top, fields.integer("logprobs", 0, kMaxCompletionLogprobs));
  ASSIGN_OR_RETURN(const auto max_tokens, fields.integer("max_tokens", -1, INT64_MAX));
  ASSIGN_OR_RETURN(const auto echo, fields.boolean("echo"));
  ASSIGN_OR_RETURN(const auto suffix, fields.text("suffix"));
  ASSIGN_OR_RETURN(std::vector<Ids> prompts, read_prompts(fields, model));
  std::vector<std::string> texts;
  for (const Ids& prompt : prompts) {
    const auto text = model.tokenizer->decode(prompt);
    texts.push_back(echo.value_or(false) && text ? valid_utf8(*text) : "");
  }
  if (suffix && !suffix->empty()) RETURN_IF_ERROR(add_suffix(prompts, *suffix, model));
  const int64_t wanted = max_tokens.value_or(kDefaultTokens);
  if (wanted >= 0) request.max_output = static_cast<int>(std::min<int64_t>(wanted, model.n_ctx));
  if (n_top) request.n_logprob = std::max(1, static_cast<int>(*n_top));
  const int n_each = static_cast<int>(n.value_or(1));
  if (std::ssize(prompts) * n_each > kMaxChoices)
    return refuse(400,
                  fmt::format("n: {} for {} prompts, want at most {} answers", n_each, prompts.size(), kMaxChoices), "",
                  "n");
  std::vector<engine::Request> requests;
  std::vector<std::string> echoes;
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) return refuse(400, "prompt: 0 tokens, want at least 1", "", "prompt");
    RETURN_IF_ERROR(check_length(prompts[i].size(), model, wanted));
    request.prompt = prompts[i];
    for (engine::Request& one : copies_of(request, n_each)) {
      requests.push_back(std::move(one));
      echoes.push_back(texts[i]);
    }
  }
  std::optional<int> top;
  if (n_top) top = static_cast<int>(*n_top);
  auto job = std::make_unique<CompletionJob>(std::move(shape), std::move(requests), std::move(echoes), top, model);
  job->count_prompts(prompts);
  return Reply(std::move(job));
}

}  // namespace tercet::server
