#include "grammar/vocabulary.h"

#include <algorithm>
#include <numeric>

namespace tercet::grammar {
namespace {

constexpr size_t kMaxToken = 1024;  // bytes; a longer one is never needed

}  // namespace

std::shared_ptr<const Vocabulary> Vocabulary::make(const tokenizer::Tokenizer& tokenizer, int n_vocab) {
  std::shared_ptr<Vocabulary> out(new Vocabulary());
  out->n_word_ = (static_cast<size_t>(n_vocab) + 31) / 32;
  for (const TokenId id : tokenizer.end_tokens())
    if (id < n_vocab) out->end_tokens_.push_back(id);
  std::vector<TokenId> order;
  const int n_token = std::min(n_vocab, tokenizer.vocab_size());
  for (TokenId id = 0; id < n_token; ++id) {
    const auto bytes = tokenizer.token_view(id);
    const std::string_view text = bytes && !tokenizer.is_control(id) && bytes->size() <= kMaxToken ? *bytes : "";
    out->places_.emplace_back(static_cast<uint32_t>(out->text_.size()), static_cast<uint32_t>(text.size()));
    out->text_ += text;
    out->max_length_ = std::max(out->max_length_, text.size());
    if (!text.empty()) order.push_back(id);
  }
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return out->bytes(a) < out->bytes(b); });
  out->twins_.assign(static_cast<size_t>(n_token), -1);

  std::vector<Node>& nodes = out->nodes_;
  nodes.push_back({0, -1, 0, 0});
  std::vector<uint32_t> path = {0};  // the nodes from the root to the last token
  std::string_view last;
  for (const TokenId id : order) {
    const std::string_view text = out->bytes(id);
    if (text == last) {
      TokenId first = nodes[path.back()].token;
      while (out->twins_[static_cast<size_t>(first)] >= 0) first = out->twins_[static_cast<size_t>(first)];
      out->twins_[static_cast<size_t>(first)] = id;
      continue;
    }
    const auto shared =
        static_cast<size_t>(std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first - text.begin());
    for (; path.size() > shared + 1; path.pop_back()) nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
    for (size_t i = shared; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({0, -1, static_cast<uint16_t>(i + 1), static_cast<uint8_t>(text[i])});
    }
    nodes[path.back()].token = id;
    last = text;
  }
  for (; !path.empty(); path.pop_back()) nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
  return out;
}

std::string_view Vocabulary::bytes(TokenId token) const {
  if (token < 0 || static_cast<size_t>(token) >= places_.size()) return {};
  const auto [begin, size] = places_[static_cast<size_t>(token)];
  return std::string_view(text_).substr(begin, size);
}

}  // namespace tercet::grammar
