#include "chat/chat.h"

#include <boost/json.hpp>

namespace tercet::chat {

Result<std::string> render_chat(const Template& chat_template, const Conversation& conversation,
                                const RenderOptions& options) {
  const auto or_none = [](const boost::json::array& array) {
    return array.empty() ? boost::json::value(nullptr) : boost::json::value(array);
  };
  boost::json::object context;
  context["messages"] = conversation.messages;
  context["tools"] = or_none(conversation.tools);
  context["documents"] = or_none(conversation.documents);
  context["add_generation_prompt"] = conversation.add_generation_prompt;
  if (!conversation.bos_token.empty()) context["bos_token"] = conversation.bos_token;
  if (!conversation.eos_token.empty()) context["eos_token"] = conversation.eos_token;
  for (const auto& [name, value] : conversation.extra) context[name] = value;
  return chat_template.render(context, options);
}

}  // namespace tercet::chat
