// Owns what every front end does to a conversation before the template sees it: the many forms that clients send become
// the one that templates are written for.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/chat.h"
#include "chat/chat_template.h"

namespace tercet::chat {

// What a message about a wrong type says was seen: "a number".
std::string_view kind_of(const boost::json::value& value);

// Messages in the OpenAI API's form, made uniform: `content` is a string (null and absent: empty, parts of text: joined),
// `developer` is system, `function` is tool, the system messages at the beginning are one, `arguments` of a tool call
// are an object (JSON text is parsed; what is no object is kept as {"input": ...}), the reasoning is called
// `reasoning_content`. A null field is absent. Errors: kInvalidArgument that begins with the field's path.
Result<boost::json::array> normalise_messages(const boost::json::value& messages, std::string_view path = "messages");

// Tools in the OpenAI API's form, each an object with a function of a name, and `parameters` that are an object.
// Errors: kInvalidArgument that begins with the field's path.
Result<boost::json::array> normalise_tools(const boost::json::value& tools, std::string_view path = "tools");

// render_chat() of a conversation whose messages are normalised. A template that refuses a system message that comes
// late gets all of them as one, at the beginning.
Result<std::string> render_messages(const Template& chat_template, Conversation conversation,
                                    const RenderOptions& options = {});

}  // namespace tercet::chat
