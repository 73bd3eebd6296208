// Owns the way from one answer's tokens to its text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/batch.h"
#include "engine/stop_filter.h"
#include "tokenizer/tokenizer.h"

namespace tercet::engine {

class TextStream {
 public:
  // Without a tokenizer no text ever comes out. The tokenizer must outlive this.
  TextStream(const tokenizer::Tokenizer* tokenizer, std::vector<std::string> stops);

  std::string push(backend::TokenId token);
  // What was held back for the rest of a code point or of a stop string.
  std::string finish();

  bool stopped() const { return filter_.matched(); }
  std::string_view stop_string() const { return filter_.match(); }

 private:
  std::optional<tokenizer::StreamDecoder> decoder_;
  StopFilter filter_;
};

}  // namespace tercet::engine
