#include "engine/text_stream.h"

#include <utility>

namespace tercet::engine {

TextStream::TextStream(const tokenizer::Tokenizer* tokenizer, std::vector<std::string> stops)
    : filter_(std::move(stops)) {
  if (tokenizer != nullptr) decoder_.emplace(*tokenizer);
}

std::string TextStream::push(backend::TokenId token) {
  if (!decoder_) return {};
  // A model's vocabulary may be padded beyond the tokenizer's; such an id has no text.
  const Result<std::string> piece = decoder_->push(token);
  return piece ? filter_.push(*piece) : std::string();
}

std::string TextStream::finish() {
  const std::string text = decoder_ ? filter_.push(decoder_->finish()) : std::string();
  return text + filter_.finish();
}

}  // namespace tercet::engine
