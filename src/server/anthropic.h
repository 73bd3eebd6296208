// Owns Anthropic's API: its messages become OpenAI's, its answers are made of blocks.
#pragma once

#include <boost/json/object.hpp>

#include "server/generation.h"
#include "server/job.h"

namespace tercet::server {

// POST /v1/messages
Api<Reply> messages(const boost::json::object& body, const ServedModel& model);
// POST /v1/messages/count_tokens
Api<Reply> count_message_tokens(const boost::json::object& body, const ServedModel& model);

}  // namespace tercet::server
