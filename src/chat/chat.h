// Owns the rendering of a conversation: what transformers' apply_chat_template gives to a template.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "chat/chat_template.h"

namespace tercet::chat {

struct Conversation {
  boost::json::array messages;   // objects: role, content, tool_calls, ... as the OpenAI API has them
  boost::json::array tools;      // JSON schemas of functions; empty: the template sees none
  boost::json::array documents;  // empty: none
  bool add_generation_prompt = false;
  std::string bos_token;  // the special tokens' texts, from the model's metadata; empty: the template does not see it
  std::string eos_token;
  boost::json::object extra;  // chat_template_kwargs, such as enable_thinking; they win over all above
};

// The prompt. Errors: as Template::render.
Result<std::string> render_chat(const Template& chat_template, const Conversation& conversation,
                                const RenderOptions& options = {});

}  // namespace tercet::chat
