#include "server/served_model.h"

#include <boost/json.hpp>

#include "server/fields.h"

namespace tercet::server {
namespace {

constexpr std::string_view kTemplateKey = "tokenizer.chat_template";

std::string special_token(const gguf::File& file, const tokenizer::Tokenizer& tokenizer, std::string_view key) {
  const auto id = file.get_i32(key);
  if (!id) return {};
  const auto text = tokenizer.token_bytes(*id);
  return text ? *text : std::string();
}

}  // namespace

Result<ServedModel> describe_model(const gguf::File& file, const tokenizer::Tokenizer& tokenizer) {
  ServedModel out;
  out.tokenizer = &tokenizer;
  out.bos_token = special_token(file, tokenizer, "tokenizer.ggml.bos_token_id");
  out.eos_token = special_token(file, tokenizer, "tokenizer.ggml.eos_token_id");
  ASSIGN_OR_RETURN(out.defaults, engine::read_model_defaults(file));
  if (file.find(kTemplateKey) == nullptr) return out;
  ASSIGN_OR_RETURN(const std::string_view source, file.get_string(kTemplateKey));
  out.chat_template_source = source;
  ASSIGN_OR_RETURN(out.chat_template, chat::Template::parse(source, fmt::format("{}: {}", file.path(), kTemplateKey)));
  return out;
}

boost::json::object default_sampling(const ServedModel& model) {
  const engine::ChosenSampling chosen = engine::choose_sampling({}, model.defaults);
  boost::json::object out;
  for (const auto& item : chosen.items)
    out[item.name] = item.name == "top_k" ? boost::json::value(static_cast<int64_t>(item.value))
                                          : boost::json::value(shortest(static_cast<float>(item.value)));
  return out;
}

}  // namespace tercet::server
