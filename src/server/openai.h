// Owns OpenAI's two older APIs: what their requests ask of the engine, and the form of their answers.
#pragma once

#include <boost/json/object.hpp>

#include "server/generation.h"
#include "server/job.h"

namespace tercet::server {

// POST /v1/chat/completions
Api<Reply> chat_completions(const boost::json::object& body, const ServedModel& model);
// POST /v1/completions
Api<Reply> completions(const boost::json::object& body, const ServedModel& model);

// The part of a chat request that makes the prompt: messages, tools, tool_choice, parallel_tool_calls,
// response_format, chat_template_kwargs.
Result<ChatInput> read_chat_input(const Fields& fields);

// What the two have in common.
struct AnswerShape {
  std::string id;
  std::string model;
  int64_t created = 0;
  bool streams = false;
  bool includes_usage = false;
  bool returns_progress = false;
};
Result<AnswerShape> read_shape(const Fields& fields, const ServedModel& model, std::string_view id_prefix);

// `n_cached`: of the prompt, that the prefix cache had.
boost::json::object usage_json(int64_t n_prompt, int64_t n_output, int64_t n_cached);
std::string_view openai_finish_reason(engine::FinishReason reason);

}  // namespace tercet::server
