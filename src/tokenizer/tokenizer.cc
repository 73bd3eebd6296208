#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizer/nfc.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/unicode.h"

namespace tercet::tokenizer {

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_spec(const VocabSpec& spec) {
  ASSIGN_OR_RETURN(Vocab vocab, Vocab::make(spec.tokens, spec.token_type));
  ASSIGN_OR_RETURN(Bpe bpe, Bpe::make(vocab, spec.merges));
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer(std::move(vocab), std::move(bpe)));
  ASSIGN_OR_RETURN(tokenizer->added_, AddedTokens::make(tokenizer->vocab_));
  RETURN_IF_ERROR(tokenizer->set_special(spec));
  return tokenizer;
}

Status Tokenizer::set_special(const VocabSpec& spec) {
  const auto checked = [&](std::string_view key, std::optional<int64_t> id) -> Result<std::optional<TokenId>> {
    if (!id) return std::nullopt;
    if (vocab_.has(*id)) return static_cast<TokenId>(*id);
    return error(Code::kCorrupt, "tokenizer.ggml.{}: {}, want a token id below {}", key, *id, vocab_.size());
  };
  ASSIGN_OR_RETURN(bos_, checked("bos_token_id", spec.bos_token_id));
  ASSIGN_OR_RETURN(padding_, checked("padding_token_id", spec.padding_token_id));
  ASSIGN_OR_RETURN(const auto eos, checked("eos_token_id", spec.eos_token_id));
  ASSIGN_OR_RETURN(const auto eot, checked("eot_token_id", spec.eot_token_id));
  ASSIGN_OR_RETURN(const auto eom, checked("eom_token_id", spec.eom_token_id));
  add_bos_ = spec.add_bos_token;
  if (add_bos_ && !bos_) {
    return error(Code::kCorrupt, "tokenizer.ggml.bos_token_id: missing, want it where add_bos_token is true");
  }
  for (const auto& id : {eos, eot, eom}) {
    if (id) end_tokens_.push_back(*id);
  }
  for (const char* name : {"<|im_end|>", "<|endoftext|>"}) {
    const auto id = vocab_.find(name);
    if (id && vocab_.is_control(*id)) end_tokens_.push_back(*id);
  }
  std::sort(end_tokens_.begin(), end_tokens_.end());
  end_tokens_.erase(std::unique(end_tokens_.begin(), end_tokens_.end()), end_tokens_.end());
  return {};
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<TokenId> out;
  out.reserve(text.size() / 3);
  Bpe::Scratch scratch;
  std::string normalized;
  size_t plain = 0;  // where the text begins that no token was found for yet
  size_t from = 0;
  while (const auto match = added_.find(text, from)) {
    from = match->end;
    // A control token that is not parsed still hides shorter tokens within it, as in `tokenizers`.
    if (!parse_special && vocab_.is_control(match->id)) continue;
    encode_text(text.substr(plain, match->begin - plain), scratch, normalized, out);
    out.push_back(match->id);
    plain = match->end;
  }
  encode_text(text.substr(plain), scratch, normalized, out);
  return out;
}

void Tokenizer::encode_text(std::string_view text, Bpe::Scratch& scratch, std::string& normalized,
                            std::vector<TokenId>& out) const {
  Pretokenizer pieces(to_nfc(text, normalized));
  for (std::string_view piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    bpe_.encode(piece, scratch, out);
  }
}

Result<std::string_view> Tokenizer::token_view(TokenId id) const {
  if (vocab_.has(id)) return vocab_.bytes(id);
  return error(Code::kInvalidArgument, "token id: {}, want 0..{}", id, vocab_.size() - 1);
}

Result<std::string> Tokenizer::token_bytes(TokenId id) const {
  ASSIGN_OR_RETURN(const std::string_view bytes, token_view(id));
  return std::string(bytes);
}

Result<std::string_view> Tokenizer::piece(TokenId id) const {
  if (vocab_.has(id)) return vocab_.spelling(id);
  return error(Code::kInvalidArgument, "token id: {}, want 0..{}", id, vocab_.size() - 1);
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) {
    ASSIGN_OR_RETURN(const std::string_view bytes, token_view(id));
    text.append(bytes);
  }
  return text;
}

Result<std::string> StreamDecoder::push(TokenId id) {
  ASSIGN_OR_RETURN(const std::string_view bytes, tokenizer_->token_view(id));
  std::string text = std::exchange(held_, {});
  text.append(bytes);
  const size_t complete = text.size() - incomplete_tail(text);
  held_.assign(text, complete);
  text.resize(complete);
  return text;
}

}  // namespace tercet::tokenizer
