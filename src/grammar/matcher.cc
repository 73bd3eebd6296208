#include "grammar/matcher.h"

#include <map>
#include <utility>

#include "base/check.h"

namespace tercet::grammar {
namespace {

// Bytes looked at for one mask, at most; where that is too few, tokens are forbidden that need not be.
constexpr int64_t kMaxStep = 300'000;
constexpr size_t kMaxLink = 4096;

void set_bit(std::vector<uint32_t>& mask, TokenId token) {
  mask[static_cast<size_t>(token) / 32] |= 1U << (static_cast<uint32_t>(token) % 32);
}

bool is_word(const Node& node) { return node.kind == Node::Kind::kWord || node.kind == Node::Kind::kCounted; }

}  // namespace

Matcher::Matcher(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  Stepper(*grammar_, links_, state_).enter(grammar_->root(), nullptr);
}

std::span<const uint32_t> Matcher::mask() {
  if (std::exchange(has_mask_, true)) return mask_;
  const Vocabulary& vocabulary = grammar_->vocabulary();
  mask_.assign(vocabulary.n_word(), 0);
  n_step_left_ = kMaxStep;
  bool is_empty = true;
  for (const Config& config : state_.configs) {
    if (n_step_left_ <= 0 && !is_empty) break;
    add_mask(config);
    walk_links_.clear();
    for (size_t i = 0; is_empty && i < mask_.size(); ++i) is_empty = mask_[i] == 0;
  }
  if (state_.is_done)
    for (const TokenId token : vocabulary.end_tokens()) set_bit(mask_, token);
  return mask_;
}

void Matcher::add_mask(const Config& config) {
  const Node& node = grammar_->node(config.top.node);
  if (!is_word(node)) return walk(0, config);
  const bool is_counted = node.kind == Node::Kind::kCounted;
  // Beyond a token's length all counts are alike.
  const auto n_most = static_cast<uint32_t>(grammar_->vocabulary().max_length()) + 1;
  Grammar::MaskKey key{node.dfa, config.top.at, 0, kUnlimited};
  if (is_counted) {
    const uint32_t count = config.top.count;
    key.n_least = node.least > count ? std::min(node.least - count, n_most) : 0;
    key.n_most = node.most == kUnlimited ? n_most : std::min(node.most - count, n_most);
  }
  const WordMask& word = grammar_->word_mask(key, is_counted);
  for (size_t i = 0; i < mask_.size(); ++i) mask_[i] |= word.allowed[i];
  if (config.below == nullptr) return;
  // A word that is done goes on with what stands below it.
  for (const uint32_t place : word.exits) {
    Config next = config;
    next.top.at = Dfa::kDead;
    walk(place, next);
  }
}

// Allows the tokens below a place of the vocabulary that go on from `config`; a word whose state is dead has just ended.
void Matcher::walk(uint32_t place, const Config& config) {
  const auto nodes = grammar_->vocabulary().nodes();
  const size_t base = nodes[place].depth;
  if (path_.size() < grammar_->vocabulary().max_length() + 1) path_.resize(grammar_->vocabulary().max_length() + 1);
  State& first = path_[base];
  first.clear();
  if (config.top.at == Dfa::kDead && is_word(grammar_->node(config.top.node))) {
    Stepper(*grammar_, walk_links_, first).pop(config.below);
  } else {
    first.configs.push_back(config);
  }
  for (uint32_t i = place + 1; i < nodes[place].end;) {
    const Vocabulary::Node& at = nodes[i];
    State& to = path_[at.depth];
    to.clear();
    Stepper stepper(*grammar_, walk_links_, to);
    for (const Config& from : path_[at.depth - 1U].configs) stepper.step(from, at.byte);
    n_step_left_ -= static_cast<int64_t>(path_[at.depth - 1U].configs.size());
    if (!to.is_dead())
      for (TokenId token = at.token; token >= 0; token = grammar_->vocabulary().twin(token)) set_bit(mask_, token);
    i = to.configs.empty() ? at.end : i + 1;
    if (n_step_left_ < -kMaxStep) return;
  }
}

bool Matcher::accept(TokenId token) {
  const std::string_view bytes = grammar_->vocabulary().bytes(token);
  return !bytes.empty() && accept(bytes);
}

bool Matcher::accept(std::string_view bytes) {
  State from = state_;
  State to;
  for (const char c : bytes) {
    to.clear();
    Stepper stepper(*grammar_, links_, to);
    for (const Config& config : from.configs) stepper.step(config, static_cast<uint8_t>(c));
    if (to.is_dead()) return false;
    std::swap(from, to);
  }
  state_ = std::move(from);
  has_mask_ = false;
  if (links_.size() > kMaxLink) compact();
  return true;
}

// Keeps only the links that can still be reached.
void Matcher::compact() {
  spare_links_.clear();
  std::map<const Link*, const Link*> moved = {{nullptr, nullptr}};
  for (Config& config : state_.configs) {
    std::vector<const Link*> chain;
    for (const Link* link = config.below; !moved.contains(link); link = link->below) chain.push_back(link);
    for (; !chain.empty(); chain.pop_back()) {
      const Link& link = *chain.back();
      const Link* below = moved.at(link.below);
      const bool is_container = link.depth > (link.below == nullptr ? 0 : link.below->depth);
      moved[&link] = spare_links_.add(link.frame, below, is_container);
    }
    config.below = moved.at(config.below);
  }
  std::swap(links_, spare_links_);
}

}  // namespace tercet::grammar
