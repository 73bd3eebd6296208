// Any bytes as a JSON schema, and then as choices among the tokens that its grammar allows: each token of a mask can be
// taken, no mask is empty, and what has come to an end is JSON in UTF-8. Bytes from 0x80 on stand for what schemas are made
// of, where the input asks for it; what follows a 0 are the choices.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/text.h"
#include "grammar/matcher.h"
#include "grammar/schema.h"
#include "tokenizer/test_vocab.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

constexpr auto kWords = std::to_array<std::string_view>({
    "{\"type\":",   "\"string\"",      "\"number\"",        "\"integer\"",        "\"object\"",
    "\"array\"",    "\"boolean\"",     "\"null\"",          "\"properties\":{",   "\"required\":[",
    "\"items\":",   "\"enum\":[",      "\"const\":",        "\"anyOf\":[",        "\"allOf\":[",
    "\"oneOf\":[",  "\"not\":",        "\"$ref\":\"#",      "\"$defs\":{",        "\"additionalProperties\":",
    "\"pattern\":", "\"minLength\":",  "\"maxLength\":",    "\"minimum\":",       "\"maximum\":",
    "\"format\":",  "\"multipleOf\":", "\"minItems\":",     "\"maxItems\":",      "\"patternProperties\":{",
    "\"a\"",        "\"aa\":",         "\"prefixItems\":[", "\"minProperties\":", "\"maxProperties\":",
    "\"if\":",      "\"then\":",       "\"else\":",         "\"uniqueItems\":",   "\"exclusiveMinimum\":",
});
constexpr int kMostTokens = 200;

std::string spelled_out(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80)
      out += c;
    else
      out += kWords[(byte - 0x80) % kWords.size()];
  }
  return out;
}

void answer(const std::shared_ptr<const Grammar>& grammar, std::string_view choices) {
  Matcher matcher(grammar);
  const auto ends = grammar->vocabulary().end_tokens();
  std::string text;
  uint32_t state = 1;
  for (int i = 0; i < kMostTokens && !matcher.is_over(); ++i) {
    std::vector<TokenId> allowed;
    const auto mask = matcher.mask();
    for (size_t id = 0; id < mask.size() * 32; ++id)
      if ((mask[id / 32] >> (id % 32) & 1U) != 0) allowed.push_back(static_cast<TokenId>(id));
    CHECK(!allowed.empty());
    state = state * 1'664'525 + 1'013'904'223;
    const size_t choice =
        std::cmp_less(i, choices.size()) ? static_cast<uint8_t>(choices[static_cast<size_t>(i)]) : state >> 8;
    const TokenId token = allowed[choice % allowed.size()];
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      CHECK(matcher.may_end());
      break;
    }
    CHECK(matcher.accept(token));
    text += grammar->vocabulary().bytes(token);
  }
  if (!matcher.may_end()) return;
  CHECK(is_utf8(text));
  json::parse_options options;
  options.max_depth = 2 * kMaxDepth;
  boost::system::error_code failed;
  (void)json::parse(text, failed, {}, options);
  CHECK(!failed);
}

}  // namespace
}  // namespace tercet::grammar

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet::grammar;
  static const auto tokenizer = *tercet::tokenizer::Tokenizer::from_spec(tercet::tokenizer::TestVocab().spec());
  static const auto vocabulary = Vocabulary::make(*tokenizer, tokenizer->vocab_size());
  if (size == 0) return 0;
  const uint8_t flags = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t end = std::min(rest.find('\0'), rest.size());
  const std::string schema((flags & 1) != 0 ? spelled_out(rest.substr(0, end)) : rest.substr(0, end));
  boost::system::error_code failed;
  boost::json::parse_options options;
  options.max_depth = 64;  // as the server reads it
  const boost::json::value parsed = boost::json::parse(schema, failed, {}, options);
  if (failed) return 0;
  GrammarBuilder builder;
  const auto root = add_schema(
      builder, parsed,
      {.path = "schema", .is_strict = (flags & 2) != 0, .is_ordered = (flags & 4) != 0, .is_closed = (flags & 8) != 0});
  if (!root) return 0;
  const auto grammar = builder.finish(*root, vocabulary);
  if (grammar) answer(*grammar, end < rest.size() ? rest.substr(end + 1) : std::string_view());
  return 0;
}
