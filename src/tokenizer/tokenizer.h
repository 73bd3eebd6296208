// Owns text to token ids and back: byte-level BPE as GGUF files of model `gpt2` and pre-tokenizer `qwen2` describe it.
// Equal, id for id, to Hugging Face's `tokenizers` on valid UTF-8.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/vocab.h"

namespace tercet::gguf {
class File;
}

namespace tercet::tokenizer {

// What a tokenizer is made from; the views need to live only as long as the call. Each field is the metadata key of the
// same name under tokenizer.ggml.
struct VocabSpec {
  std::vector<std::string_view> tokens;
  std::vector<int32_t> token_type;  // one a token, or none at all: every token is a normal one
  std::vector<std::string_view> merges;
  std::optional<int64_t> bos_token_id;
  std::optional<int64_t> eos_token_id;
  std::optional<int64_t> eot_token_id;
  std::optional<int64_t> eom_token_id;
  std::optional<int64_t> padding_token_id;
  bool add_bos_token = false;
};

// Immutable once made: any number of threads may use one.
class Tokenizer {
 public:
  // Errors: kCorrupt (a key that is missing, of another type, or that contradicts another), kUnsupported (another model
  // or pre-tokenizer than those named above), kLimit.
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const gguf::File& file);
  static Result<std::unique_ptr<Tokenizer>> from_spec(const VocabSpec& spec);

  // The ids of `text` (any bytes), without BOS. Added tokens that are written in the text become their ids:
  // user-defined ones (<think>) always, control ones (<|im_end|>) only with parse_special; without it, they are text
  // like any other, which is what untrusted text wants. What lies between added tokens is normalised to NFC; a byte
  // that is not part of well-formed UTF-8 counts as a symbol and is kept. Time n log n at worst.
  std::vector<TokenId> encode(std::string_view text, bool parse_special) const;

  // The bytes that a token stands for; added tokens give their text. Valid as long as the tokenizer. Errors:
  // kInvalidArgument when id is out of range.
  Result<std::string_view> token_view(TokenId id) const;
  Result<std::string> token_bytes(TokenId id) const;
  // The vocabulary's own spelling ("Ġthe"). Valid as long as the tokenizer.
  Result<std::string_view> piece(TokenId id) const;
  Result<std::string> decode(std::span<const TokenId> ids) const;

  int vocab_size() const { return vocab_.size(); }
  std::optional<TokenId> bos() const { return bos_; }
  bool add_bos() const { return add_bos_; }
  std::optional<TokenId> padding() const { return padding_; }
  // All ids that end a generation: tokenizer.ggml.eos_token_id, eot_token_id, eom_token_id, and <|im_end|>,
  // <|endoftext|> where the vocabulary has them as control tokens. Sorted.
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  // The id of a token by its exact spelling.
  std::optional<TokenId> find(std::string_view piece) const { return vocab_.find(piece); }
  // Whether it is a token that steers the model and is no text for people; false when id is out of range.
  bool is_control(TokenId id) const { return vocab_.has(id) && vocab_.is_control(id); }

 private:
  Tokenizer(Vocab vocab, Bpe bpe) : vocab_(std::move(vocab)), bpe_(std::move(bpe)) {}

  Status set_special(const VocabSpec& spec);
  void encode_text(std::string_view text, Bpe::Scratch& scratch, std::string& normalized,
                   std::vector<TokenId>& out) const;

  Vocab vocab_;
  Bpe bpe_;
  AddedTokens added_;  // views into vocab_
  std::optional<TokenId> bos_;
  std::optional<TokenId> padding_;
  bool add_bos_ = false;
  std::vector<TokenId> end_tokens_;
};

// Turns ids into text a piece at a time and never gives out half a code point: bytes of an unfinished UTF-8 sequence
// wait for the next token. Bytes that can never become valid UTF-8 pass through.
class StreamDecoder {
 public:
  // The tokenizer must outlive this.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  // What became complete by this token, often nothing. Errors as token_bytes(); what is held back stays.
  Result<std::string> push(TokenId id);
  // What is still held back, at most three bytes; the decoder is then as new.
  std::string finish() { return std::exchange(held_, {}); }

 private:
  const Tokenizer* tokenizer_;
  std::string held_;
};

}  // namespace tercet::tokenizer
