#include "base/text.h"
#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace tercet::tokenizer {
namespace {

constexpr std::string_view kModel = "gpt2";
constexpr std::string_view kPretokenizer = "qwen2";

Status want_string(const gguf::File& file, std::string_view key, std::string_view wanted) {
  ASSIGN_OR_RETURN(const std::string_view seen, file.get_string(key));
  if (seen == wanted) return {};
  return error(Code::kUnsupported, "{}: {} is '{}', want one of: {}", file.path(), key, printable(seen), wanted);
}

Result<std::optional<int64_t>> optional_id(const gguf::File& file, std::string_view key) {
  if (file.find(key) == nullptr) return std::nullopt;
  ASSIGN_OR_RETURN(const uint32_t id, file.get_u32(key));
  return id;
}

Result<VocabSpec> read_spec(const gguf::File& file) {
  VocabSpec spec;
  ASSIGN_OR_RETURN(spec.tokens, file.get_string_array("tokenizer.ggml.tokens"));
  if (file.find("tokenizer.ggml.token_type") != nullptr) {
    ASSIGN_OR_RETURN(spec.token_type, file.get_i32_array("tokenizer.ggml.token_type"));
  }
  ASSIGN_OR_RETURN(spec.merges, file.get_string_array("tokenizer.ggml.merges"));
  ASSIGN_OR_RETURN(spec.bos_token_id, optional_id(file, "tokenizer.ggml.bos_token_id"));
  ASSIGN_OR_RETURN(spec.eos_token_id, optional_id(file, "tokenizer.ggml.eos_token_id"));
  ASSIGN_OR_RETURN(spec.eot_token_id, optional_id(file, "tokenizer.ggml.eot_token_id"));
  ASSIGN_OR_RETURN(spec.eom_token_id, optional_id(file, "tokenizer.ggml.eom_token_id"));
  ASSIGN_OR_RETURN(spec.padding_token_id, optional_id(file, "tokenizer.ggml.padding_token_id"));
  ASSIGN_OR_RETURN(spec.add_bos_token, file.get_bool_or("tokenizer.ggml.add_bos_token", false));
  return spec;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_gguf(const gguf::File& file) {
  RETURN_IF_ERROR(want_string(file, "tokenizer.ggml.model", kModel));
  RETURN_IF_ERROR(want_string(file, "tokenizer.ggml.pre", kPretokenizer));
  ASSIGN_OR_RETURN(const VocabSpec spec, read_spec(file));
  auto tokenizer = from_spec(spec);
  if (!tokenizer) tokenizer.error().message = fmt::format("{}: {}", file.path(), tokenizer.error().message);
  return tokenizer;
}

}  // namespace tercet::tokenizer
