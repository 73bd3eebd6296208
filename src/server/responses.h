// Owns OpenAI's Responses API: what its requests ask of the engine, and its items and events. No answer is stored.
#pragma once

#include <boost/json/object.hpp>

#include "server/generation.h"
#include "server/job.h"

namespace tercet::server {

// POST /v1/responses
Api<Reply> responses(const boost::json::object& body, const ServedModel& model);

// Errors: kInvalidArgument that begins with the field's path.
Result<ChatInput> read_responses_input(const Fields& fields);

}  // namespace tercet::server
