// Owns the parameters of a generation that the APIs have in common, and the way from messages to a prompt's tokens.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "chat/answer_parser.h"
#include "engine/request.h"
#include "server/answer_form.h"
#include "server/api_error.h"
#include "server/fields.h"
#include "server/served_model.h"

namespace tercet::server {

inline constexpr int kMaxChoices = 64;
inline constexpr int kMaxTopLogprobs = 20;

// temperature, top_p, top_k, min_p, penalties, seed, stop, logit_bias, ignore_eos, cache_prompt, timeout: all of a request but its prompt, its
// length and its log-probabilities. Without a seed one is drawn.
Result<engine::Request> read_sampling(const Fields& fields, const ServedModel& model);

// A string, or an array of strings. Errors: kInvalidArgument.
Result<std::vector<std::string>> read_stop(const Fields& fields, std::string_view name);

// n requests that differ in their seeds.
std::vector<engine::Request> copies_of(const engine::Request& request, int n);

// How the model's freedom to call tools is narrowed.
struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kAuto;
  std::string name;  // kNamed
};

// What a conversation becomes.
struct ChatPrompt {
  std::vector<engine::TokenId> ids;
  chat::AnswerOptions answer;
  std::shared_ptr<const grammar::Grammar> grammar;  // what the answer has to be; null: anything
};

struct ChatInput {
  boost::json::array messages;  // normalised
  boost::json::array tools;     // normalised
  ToolChoice tool_choice;
  bool parallel_calls = true;
  AnswerForm form;
  boost::json::object template_arguments;  // chat_template_kwargs
};

Result<std::string> render_prompt(const ChatInput& input, const ServedModel& model);

// Errors: those of the template; 400 for a tool that is named and not there, or a model without a template.
Api<ChatPrompt> make_prompt(const ChatInput& input, const ServedModel& model);

// Errors: 400, context_length_exceeded with both numbers.
Api<void> check_length(size_t n_prompt, const ServedModel& model, std::optional<int64_t> wanted = std::nullopt);

}  // namespace tercet::server
