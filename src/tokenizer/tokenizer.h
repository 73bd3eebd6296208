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

namespace tercet::gguf {
class File;
}

namespace tercet::tokenizer {

using TokenId = int32_t;

class Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> from_gguf(const gguf::File& file);

  // The ids of `text` (any bytes). With parse_special, special and added tokens written in the text become their ids.
  std::vector<TokenId> encode(std::string_view text, bool parse_special) const;

  // The bytes that a token stands for; special tokens give their text. Errors: kInvalidArgument when id is out of range.
  Result<std::string> token_bytes(TokenId id) const;
  // The vocabulary's own spelling ("Ġthe").
  Result<std::string_view> piece(TokenId id) const;
  Result<std::string> decode(std::span<const TokenId> ids) const;

  int vocab_size() const;
  std::optional<TokenId> bos() const;
  bool add_bos() const;
  std::optional<TokenId> padding() const;
  // All ids that end a generation: tokenizer.ggml.eos_token_id, eot_token_id, eom_token_id, and <|im_end|>,
  // <|endoftext|> where the vocabulary has them as control tokens. Sorted.
  std::span<const TokenId> end_tokens() const;
  // The id of a token by its exact spelling.
  std::optional<TokenId> find(std::string_view piece) const;
};

// Turns ids into text a piece at a time and never gives out half a code point: bytes of an unfinished UTF-8 sequence
// wait for the next token. Bytes that can never become valid UTF-8 pass through.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer);
  Result<std::string> push(TokenId id);
  std::string finish();  // what is still held back
};

}  // namespace tercet::tokenizer
