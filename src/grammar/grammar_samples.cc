// For tests: reads requests, a line of JSON each, and writes a text that the grammar allows, chosen by random logits.
//   {"schema": ..., "seed": 1, "max_tokens": 300, "strict": true, "ordered": true, "open": true}
//   ->  {"text": "...", "reason": "stop" | "length", "mask_us": ...} or {"error": "..."}
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <random>

#include "base/text.h"
#include "gguf/gguf.h"
#include "grammar/matcher.h"
#include "grammar/schema.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

// What brings an answer to its end, the sooner the better; for when it has become long.
int rank(std::string_view bytes) {
  if (bytes == "\"") return 5;
  if (bytes == "}" || bytes == "]") return 6;
  return bytes.size() == 1 ? 2 : 1;
}

json::object sample(const json::object& request, const std::shared_ptr<const Vocabulary>& vocabulary) {
  const auto flag = [&](std::string_view name) {
    const json::value* value = request.if_contains(name);
    return value == nullptr || value->as_bool();
  };
  GrammarBuilder builder;
  const auto root = add_schema(
      builder, request.at("schema"),
      {.path = "schema", .is_strict = flag("strict"), .is_ordered = flag("ordered"), .is_closed = !flag("open")});
  if (!root) return {{"error", root.error().message}};
  const auto grammar = builder.finish(*root, vocabulary);
  if (!grammar) return {{"error", "schema: " + grammar.error().message}};
  Matcher matcher(*grammar);
  std::mt19937_64 random(request.at("seed").to_number<uint64_t>());
  const auto max_tokens = request.at("max_tokens").to_number<int>();
  std::string text;
  double slowest = 0;
  for (int i = 0; i < max_tokens; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto mask = matcher.mask();
    slowest =
        std::max(slowest, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    std::vector<TokenId> allowed;
    for (TokenId token = 0; static_cast<size_t>(token) < mask.size() * 32; ++token)
      if ((mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1U) != 0) allowed.push_back(token);
    if (allowed.empty()) return {{"error", "no token is allowed"}, {"text", text}};
    TokenId token = allowed[random() % allowed.size()];
    const auto ends = vocabulary->end_tokens();
    const auto is_end = [&](TokenId id) { return std::find(ends.begin(), ends.end(), id) != ends.end(); };
    if (i > max_tokens / 3) {
      // Towards the end, mostly.
      int best = -1;
      for (const TokenId one : allowed) {
        const int its = (is_end(one) ? 10 : rank(vocabulary->bytes(one))) * 8 + static_cast<int>(random() % 24);
        if (its > best) best = its, token = one;
      }
    }
    if (is_end(token) && !is_utf8(text)) return {{"error", "no UTF-8"}, {"text", valid_utf8(text)}};
    if (is_end(token)) return {{"text", text}, {"reason", "stop"}, {"mask_us", slowest}};
    if (!matcher.accept(token)) return {{"error", "a token that the mask allows was refused"}, {"text", text}};
    text += vocabulary->bytes(token);
  }
  return {{"text", valid_utf8(text)}, {"reason", matcher.may_end() ? "stop" : "length"}, {"mask_us", slowest}};
}

int run(const char* path) {
  const auto file = gguf::File::open(path);
  if (!file) return 1;
  const auto tokenizer = tokenizer::Tokenizer::from_gguf(**file);
  if (!tokenizer) return 1;
  const auto vocabulary = Vocabulary::make(**tokenizer, (*tokenizer)->vocab_size());
  for (std::string line; std::getline(std::cin, line);)
    std::cout << json::serialize(sample(json::parse(line).as_object(), vocabulary)) << std::endl;
  return 0;
}

}  // namespace
}  // namespace tercet::grammar

int main(int argc, char** argv) { return argc == 2 ? tercet::grammar::run(argv[1]) : 2; }
