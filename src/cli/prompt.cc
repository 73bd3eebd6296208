#include "cli/prompt.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <utility>

#include "base/text.h"
#include "chat/messages.h"
#include "cli/options.h"

namespace tercet::cli {
namespace {

using tokenizer::TokenId;

constexpr std::string_view kChatTemplate = "tokenizer.chat_template";

std::string special_token(const OpenModel& opened, std::string_view key) {
  const auto id = opened.model->file->get_i32(key);
  if (!id) return {};
  const auto text = opened.tokenizer->token_bytes(*id);
  return text ? *text : std::string();
}

}  // namespace

void Prompt::declare(CLI::App& app) {
  app_ = &app;
  input_.declare(app);
  tokens_option_ = add_text(app, "--tokens", tokens_, "IDS", "The prompt's token ids themselves: 785,921,308");
  raw_option_ = add_switch(app, "--raw", raw_, "The text as it is, without the model's chat template");
  system_option_ = add_text(app, "--system", system_, "TEXT", "What the model is told before the conversation");
}

Result<std::vector<TokenId>> Prompt::given_ids(const OpenModel& opened) const {
  ASSIGN_OR_RETURN(std::vector<TokenId> ids, parse_ids("--tokens", tokens_));
  const int n_vocab = opened.model->config.n_vocab;
  for (const TokenId id : ids)
    if (id >= n_vocab)
      return error(Code::kInvalidArgument, "--tokens: {}, want ids 0..{}: the vocabulary has {} tokens", id,
                   n_vocab - 1, n_vocab);
  return ids;
}

Result<std::string> Prompt::in_chat_template(const OpenModel& opened, const std::string& text) const {
  const gguf::File& file = *opened.model->file;
  if (file.find(kChatTemplate) == nullptr)
    return with_hint(error(Code::kInvalidArgument, "{}: no {}, want one, or --raw", file.path(), kChatTemplate),
                     "--raw gives the text to the model as it is");
  ASSIGN_OR_RETURN(const std::string_view source, file.get_string(kChatTemplate));
  ASSIGN_OR_RETURN(const auto parsed, chat::Template::parse(source, fmt::format("{}: {}", file.path(), kChatTemplate)));
  chat::Conversation conversation;
  boost::json::array messages;
  if (!system_.empty()) messages.push_back({{"role", "system"}, {"content", system_}});
  messages.push_back({{"role", "user"}, {"content", text}});
  ASSIGN_OR_RETURN(conversation.messages, chat::normalise_messages(messages));
  conversation.add_generation_prompt = true;
  conversation.bos_token = special_token(opened, "tokenizer.ggml.bos_token_id");
  conversation.eos_token = special_token(opened, "tokenizer.ggml.eos_token_id");
  return chat::render_messages(*parsed, std::move(conversation));
}

Result<std::vector<TokenId>> Prompt::ids(const OpenModel& opened) const {
  ASSIGN_OR_RETURN(const CLI::Option* given,
                   pick_one(*app_, {tokens_option_, input_.text_option(), input_.file_option()}));
  const bool has_ids = given != nullptr && given == tokens_option_;
  // A variable stays set from one command to the next; only what was typed can contradict.
  if (is_flag(*app_, system_option_) && (has_ids || (raw_ && is_flag(*app_, raw_option_))))
    return error(Code::kInvalidArgument, "--system: given with {}, want a prompt in the model's chat template",
                 has_ids ? "--tokens" : "--raw");
  if (has_ids) return given_ids(opened);

  ASSIGN_OR_RETURN(std::string text, input_.read());
  if (text.empty())
    return with_hint(error(Code::kInvalidArgument, "prompt: empty, want at least one character"),
                     app_->get_name() + " -p TEXT");
  if (opened.tokenizer == nullptr)
    return with_hint(
        error(Code::kInvalidArgument, "{}: no vocabulary, want token ids for a prompt", opened.model->file->path()),
        "--tokens 785,921,308");
  if (!raw_) {
    ASSIGN_OR_RETURN(text, in_chat_template(opened, text));
  }
  std::vector<TokenId> ids = opened.tokenizer->encode(text, true);
  // A template writes the first token itself where the model wants one.
  if (raw_ && opened.tokenizer->add_bos() && opened.tokenizer->bos()) ids.insert(ids.begin(), *opened.tokenizer->bos());
  if (ids.empty()) return error(Code::kInvalidArgument, "prompt: 0 tokens, want at least 1");
  return ids;
}

}  // namespace tercet::cli
