#include "grammar/grammar.h"

#include <algorithm>
#include <bit>

#include "grammar/nfa.h"

namespace tercet::grammar {
namespace {

constexpr size_t kMaxMask = 64;  // kept with a grammar: 19 KB each for a vocabulary of 152,000

}  // namespace

Result<NodeId> GrammarBuilder::reserve() { return add({}); }

Result<NodeId> GrammarBuilder::add(Node node) {
  if (nodes_.size() >= kMaxNode)
    return error(Code::kLimit, "grammar: more than {} nodes, want a smaller one", kMaxNode);
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

Result<uint32_t> GrammarBuilder::add_dfa(Dfa dfa) {
  n_state_ += dfa.n_state();
  if (n_state_ > kMaxGrammarState || dfas_.size() >= kMaxNode)
    return error(Code::kLimit, "grammar: more than {} states, want a simpler one", kMaxGrammarState);
  dfas_.push_back(std::move(dfa));
  return static_cast<uint32_t>(dfas_.size() - 1);
}

Result<NodeId> GrammarBuilder::add_word(Dfa dfa) {
  Node node{Node::Kind::kWord};
  ASSIGN_OR_RETURN(node.dfa, add_dfa(std::move(dfa)));
  return add(std::move(node));
}

Result<NodeId> GrammarBuilder::add_text(std::string_view text) {
  if (const auto it = texts_.find(text); it != texts_.end()) return it->second;
  Nfa nfa;
  ASSIGN_OR_RETURN(Dfa dfa, nfa.dfa(nfa.text(text), kMaxDfaState));
  ASSIGN_OR_RETURN(const NodeId out, add_word(std::move(dfa)));
  texts_.emplace(text, out);
  return out;
}

// From what is known of the parts; it only ever becomes less.
uint32_t GrammarBuilder::depth_of(const Node& node) const {
  const auto of = [&](NodeId id) { return id == kNone ? kUnlimited : nodes_[id].depth; };
  uint32_t out = 0;
  switch (node.kind) {
    case Node::Kind::kWord: return dfas_[node.dfa].is_empty() ? kUnlimited : 0;
    case Node::Kind::kCounted: return node.least > node.most ? kUnlimited : 0;
    case Node::Kind::kEither:
      out = kUnlimited;
      for (const NodeId part : node.parts) out = std::min(out, of(part));
      return out;
    case Node::Kind::kChoice:
      out = kUnlimited;
      for (const Key& key : node.keys) out = std::min(out, of(key.value));
      return out;
    case Node::Kind::kSequence:
      for (const NodeId part : node.parts) out = std::max(out, of(part));
      return out;
    case Node::Kind::kArray:
      if (node.least > node.most) return kUnlimited;
      for (size_t i = 0; i < node.least && i < node.parts.size(); ++i) out = std::max(out, of(node.parts[i]));
      if (node.least > node.parts.size()) out = std::max(out, of(node.rest));
      break;
    case Node::Kind::kObject:
    case Node::Kind::kFields: {
      uint32_t n_required = 0;
      uint32_t n_possible = 0;
      uint32_t most = 0;  // of any of them
      bool has_other = false;
      for (const Key& key : node.keys) {
        if (key.is_required) out = std::max(out, of(key.value));
        n_required += key.is_required ? 1 : 0;
        if (of(key.value) == kUnlimited) continue;
        ++n_possible;
        most = std::max(most, of(key.value));
      }
      for (const OtherKeys& other : node.others) {
        if (of(other.value) == kUnlimited) continue;
        has_other = true;
        most = std::max(most, of(other.value));
      }
      if (n_possible + (has_other ? 1 : 0) < node.least || std::max(n_required, node.least) > node.most)
        return kUnlimited;
      if (node.least > n_required) out = std::max(out, most);
      if (node.kind == Node::Kind::kFields) return out;
      break;
    }
  }
  return out >= kMaxDepth ? kUnlimited : out + 1;
}

void GrammarBuilder::find_depths() {
  bool changes = true;
  while (changes) {
    changes = false;
    for (Node& node : nodes_) {
      const uint32_t depth = depth_of(node);
      if (depth >= node.depth) continue;
      node.depth = depth;
      changes = true;
    }
  }
}

bool GrammarBuilder::can_be_satisfied(NodeId id) {
  find_depths();
  return nodes_[id].depth != kUnlimited;
}

void GrammarBuilder::index_keys(Node& node, const std::vector<Node>& nodes) {
  const size_t n = node.keys.size();
  std::erase_if(node.others, [&](const OtherKeys& other) { return nodes[other.value].depth == kUnlimited; });
  for (uint32_t k = 0; k < n; ++k) node.sorted.push_back(k);
  if (node.kind == Node::Kind::kFields) node.sorted.push_back(static_cast<uint32_t>(n));
  const auto text = [&](uint32_t k) -> const std::string& { return k == n ? node.end : node.keys[k].text; };
  std::sort(node.sorted.begin(), node.sorted.end(), [&](uint32_t a, uint32_t b) { return text(a) < text(b); });
  if (n > 64) node.is_ordered = true;
  node.next_required.assign(n + 1, static_cast<uint32_t>(n));
  node.n_required.assign(n + 1, 0);
  node.n_possible.assign(n + 1, 0);
  for (size_t k = n; k-- > 0;) {
    const bool is_required = node.keys[k].is_required;
    if (is_required && !node.is_ordered) node.required |= uint64_t{1} << k;
    node.next_required[k] = is_required ? static_cast<uint32_t>(k) : node.next_required[k + 1];
    node.n_required[k] = node.n_required[k + 1] + (is_required ? 1 : 0);
    const bool is_possible = nodes[node.keys[k].value].depth != kUnlimited;
    node.n_possible[k] = node.n_possible[k + 1] + (is_possible ? 1 : 0);
  }
}

Result<std::shared_ptr<const Grammar>> GrammarBuilder::finish(NodeId root,
                                                              std::shared_ptr<const Vocabulary> vocabulary) {
  find_depths();
  if (nodes_[root].depth == kUnlimited)
    return error(Code::kInvalidArgument, "no value satisfies it, want one that can be satisfied within {} levels",
                 kMaxDepth);
  for (Node& node : nodes_) index_keys(node, nodes_);
  auto out = std::make_shared<Grammar>();
  out->nodes_ = std::move(nodes_);
  out->dfas_ = std::move(dfas_);
  out->root_ = root;
  out->vocabulary_ = std::move(vocabulary);
  return out;
}

// Walks the vocabulary with the word alone.
const WordMask& Grammar::word_mask(const MaskKey& key, bool is_counted) const {
  if (const auto it = masks_.find(key); it != masks_.end()) return it->second;
  if (masks_.size() >= kMaxMask) masks_.clear();
  WordMask& out = masks_[key];
  out.allowed.assign(vocabulary_->n_word(), 0);
  const Dfa& word = dfas_[key.dfa];
  struct Place {
    Dfa::State state;
    uint32_t n_least, n_most;
  };
  std::vector<Place> path(vocabulary_->max_length() + 1);
  path[0] = {key.state, key.n_least, key.n_most};
  if (word.accepts(key.state)) out.exits.push_back(0);
  const Dfa::State boundary = is_counted ? word.next(word.start(), '"') : Dfa::kDead;
  const auto nodes = vocabulary_->nodes();
  for (uint32_t i = 1; i < nodes.size();) {
    const Vocabulary::Node& at = nodes[i];
    Place place = path[at.depth - 1U];
    if (place.state == boundary && (at.byte == '"' ? place.n_least > 0 : place.n_most == 0)) {
      i = at.end;
      continue;
    }
    const Dfa::State from = place.state;
    place.state = word.next(from, at.byte);
    if (place.state == Dfa::kDead) {
      i = at.end;
      continue;
    }
    if (place.state == boundary && from != word.start()) {
      place.n_least -= place.n_least > 0 ? 1 : 0;
      place.n_most -= place.n_most != kUnlimited ? 1 : 0;
    }
    path[at.depth] = place;
    for (TokenId token = at.token; token >= 0; token = vocabulary_->twin(token))
      out.allowed[static_cast<size_t>(token) / 32] |= 1U << (static_cast<uint32_t>(token) % 32);
    if (word.accepts(place.state) && at.end > i + 1) out.exits.push_back(i);
    i = word.is_final(place.state) ? at.end : i + 1;
  }
  return out;
}

}  // namespace tercet::grammar
