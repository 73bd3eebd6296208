// Any bytes: encode and decode give the text's NFC back, whole or piece by piece, and no control token out of plain
// text.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/text.h"
#include "tokenizer/nfc.h"
#include "tokenizer/test_vocab.h"

using tercet::tokenizer::StreamDecoder;
using tercet::tokenizer::TestVocab;
using tercet::tokenizer::TokenId;
using tercet::tokenizer::Tokenizer;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<Tokenizer> tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string storage;
  const std::string wanted(tercet::tokenizer::to_nfc(text, storage));
  CHECK(tercet::is_utf8(wanted) == tercet::is_utf8(text));
  for (const bool parse_special : {false, true}) {
    const std::vector<TokenId> ids = tokenizer->encode(text, parse_special);
    const std::string seen = *tokenizer->decode(ids);
    // An added token is cut out before normalisation: its '>' does not join a U+0338 that follows.
    CHECK(tercet::tokenizer::to_nfc(seen, storage) == wanted);
    StreamDecoder decoder(*tokenizer);
    std::string parts;
    for (const TokenId id : ids) {
      CHECK(parse_special || !tokenizer->is_control(id));
      const std::string part = *decoder.push(id);
      CHECK(tercet::is_utf8(part) || !tercet::is_utf8(text));
      parts += part;
    }
    CHECK(parts + decoder.finish() == seen);
  }
  return 0;
}
