// How each kind of node takes a byte.
#include <algorithm>
#include <bit>

#include "base/check.h"
#include "grammar/matcher.h"

namespace tercet::grammar {
namespace {

using Kind = Node::Kind;

// Readings at once. Those beyond are dropped, which forbids what would be allowed and never the other way round.
constexpr size_t kMaxConfig = 128;

enum Phase : uint8_t { kOpen, kFirst, kKey, kColon, kValue, kNext, kMore };

// Between two parts of an array or an object: one space, or a line's end and so many spaces for each level. A model that
// has lost its way would else go on with spaces for ever.
constexpr uint8_t kLine = 0x80;
constexpr uint32_t kIndent = 4;
constexpr uint32_t kMaxIndent = 100;

bool is_container(const Node& node) { return node.kind == Kind::kArray || node.kind == Kind::kObject; }

// Keys that surely differ: the others among them may all be one.
uint32_t n_distinct(const Frame& frame) { return frame.count - frame.n_other + (frame.n_other > 0 ? 1 : 0); }

// Whether there is room for what still has to come, once a key has come after which `n_missing` required ones are left
// and so many differ.
bool has_room(const Node& node, uint32_t count, uint32_t n_missing, uint32_t n_differ) {
  if (node.most == kUnlimited) return true;
  const uint32_t n_wanted = node.least > n_differ ? node.least - n_differ : 0;
  return count + std::max(n_missing, n_wanted) <= node.most;
}

}  // namespace

const Link* Links::add(const Frame& frame, const Link* below, bool is_container) {
  if (n_used_ == blocks_.size() * kBlock) blocks_.push_back(std::make_unique<Link[]>(kBlock));
  Link& out = blocks_[n_used_ / kBlock][n_used_ % kBlock];
  ++n_used_;
  out = {frame, below, (below == nullptr ? 0 : below->depth) + (is_container ? 1U : 0U)};
  return &out;
}

void Stepper::add(const Frame& top, const Link* below) {
  const Config config{top, below};
  if (out_.configs.size() >= kMaxConfig) return;
  if (std::find(out_.configs.begin(), out_.configs.end(), config) == out_.configs.end()) out_.configs.push_back(config);
}

bool Stepper::fits(NodeId node, const Link* below, bool within_container) const {
  if (node == kNone) return false;
  const uint32_t depth = grammar_.node(node).depth;
  const uint32_t taken = (below == nullptr ? 0 : below->depth) + (within_container ? 1 : 0);
  return depth != kUnlimited && taken + depth <= kMaxDepth;
}

void Stepper::enter(NodeId id, const Link* below) {
  const Node& node = grammar_.node(id);
  if (!fits(id, below, false)) return;
  Frame frame;
  frame.node = id;
  switch (node.kind) {
    case Kind::kEither:
      for (const NodeId part : node.parts) enter(part, below);
      return;
    case Kind::kSequence:
      frame.at = 1;
      enter(node.parts[0], node.parts.size() > 1 ? links_.add(frame, below, false) : below);
      return;
    case Kind::kFields:
    case Kind::kChoice: frame.high = static_cast<uint32_t>(node.sorted.size()); break;
    default: break;
  }
  add(frame, below);
}

void Stepper::pop(const Link* below) {
  if (below == nullptr) {
    out_.is_done = true;
    return;
  }
  const Frame& frame = below->frame;
  const Node& node = grammar_.node(frame.node);
  if (node.kind != Kind::kSequence) {
    add(frame, below->below);
    return;
  }
  Frame next = frame;
  ++next.at;
  enter(node.parts[frame.at], next.at < node.parts.size() ? links_.add(next, below->below, false) : below->below);
}

void Stepper::step(const Config& config, uint8_t byte) {
  switch (grammar_.node(config.top.node).kind) {
    case Kind::kWord: return step_word(config, byte);
    case Kind::kCounted: return step_counted(config, byte);
    case Kind::kArray: return step_array(config, byte);
    case Kind::kObject: return step_object(config, byte);
    case Kind::kFields:
    case Kind::kChoice: return step_fields(config, byte);
    case Kind::kEither:
    case Kind::kSequence: CHECK(false);  // enter() and pop() look through them
  }
}

void Stepper::step_word(const Config& config, uint8_t byte) {
  const Dfa& word = grammar_.dfa(grammar_.node(config.top.node).dfa);
  if (const Dfa::State to = word.next(config.top.at, byte); to != Dfa::kDead) {
    if (word.is_final(to)) {
      pop(config.below);
    } else {
      Frame top = config.top;
      top.at = to;
      add(top, config.below);
      if (config.below == nullptr && word.accepts(to)) out_.is_done = true;
    }
  }
  // It may have ended before this byte.
  if (!word.accepts(config.top.at) || config.below == nullptr) return;
  State ended;
  Stepper(grammar_, links_, ended).pop(config.below);
  for (const Config& next : ended.configs) step(next, byte);
}

void Stepper::step_counted(const Config& config, uint8_t byte) {
  const Node& node = grammar_.node(config.top.node);
  const Dfa& word = grammar_.dfa(node.dfa);
  const Dfa::State boundary = word.next(word.start(), '"');
  Frame top = config.top;
  if (top.at == boundary && (byte == '"' ? top.count < node.least : top.count >= node.most)) return;
  const Dfa::State to = word.next(top.at, byte);
  if (to == Dfa::kDead) return;
  if (to == boundary && top.at != word.start() && (node.most != kUnlimited || top.count < node.least)) ++top.count;
  top.at = to;
  if (word.is_final(to)) {
    pop(config.below);
  } else {
    add(top, config.below);
  }
}

// Whether the byte is white space that may stand here.
bool Stepper::take_space(const Config& config, uint8_t byte) {
  if (byte != ' ' && byte != '\n') return false;
  Frame top = config.top;
  const uint32_t n = top.space & 0x7FU;
  const uint32_t depth = (config.below == nullptr ? 0 : config.below->depth) + 1;
  if (byte == '\n') {
    if (top.space != 0) return true;
    top.space = kLine;
  } else if (n >= ((top.space & kLine) != 0 ? std::min(kIndent * depth, kMaxIndent) : 1)) {
    return true;
  } else {
    ++top.space;
  }
  add(top, config.below);
  return true;
}

// Goes on with `after` when the value, whose first byte this is, is done.
void Stepper::begin_value(const Config& config, Frame after, NodeId value, uint8_t byte) {
  after.space = 0;
  const bool within = is_container(grammar_.node(after.node));
  State begun;
  Stepper(grammar_, links_, begun).enter(value, links_.add(after, config.below, within));
  for (const Config& next : begun.configs) step(next, byte);
}

// What the next item has to be, or kNone if there may be none.
NodeId Stepper::item(const Node& node, const Config& config) const {
  const uint32_t i = config.top.count;
  if (i >= node.most) return kNone;
  const NodeId value = i < node.parts.size() ? node.parts[i] : node.rest;
  return fits(value, config.below, true) ? value : kNone;
}

void Stepper::step_array(const Config& config, uint8_t byte) {
  const Node& node = grammar_.node(config.top.node);
  Frame top = config.top;
  if (top.phase == kOpen) {
    if (byte != '[') return;
    top.phase = kFirst;
    return add(top, config.below);
  }
  if (take_space(config, byte)) return;
  const bool is_between = top.phase == kFirst || top.phase == kNext;
  if (byte == ']' && is_between) {
    if (top.count >= node.least) pop(config.below);
    return;
  }
  const NodeId value = item(node, config);
  if (value == kNone) return;
  if (top.phase == kNext) {
    if (byte != ',') return;
    top.phase = kMore;
    top.space = 0;
    return add(top, config.below);
  }
  top.phase = kNext;
  ++top.count;
  begin_value(config, top, value, byte);
}

bool Stepper::can_close(const Node& node, const Frame& frame) const {
  if (n_distinct(frame) < node.least) return false;
  return node.is_ordered ? node.n_required[frame.seen] == 0 : (node.required & ~frame.seen) == 0;
}

bool Stepper::key_is_possible(const Node& node, const Config& config, uint32_t key) const {
  const Frame& frame = config.top;
  if (key == node.keys.size()) return can_close(node, frame);  // kFields: its end
  if (!fits(node.keys[key].value, config.below, node.kind == Kind::kObject)) return false;
  if (node.kind == Kind::kChoice) return true;
  const uint32_t n_differ = n_distinct(frame) + 1;
  if (!node.is_ordered) {
    const uint64_t bit = uint64_t{1} << key;
    const auto n_missing = static_cast<uint32_t>(std::popcount(node.required & ~frame.seen & ~bit));
    return (frame.seen & bit) == 0 && has_room(node, frame.count + 1, n_missing, n_differ);
  }
  if (key < frame.seen || key > node.next_required[frame.seen]) return false;
  if (!has_room(node, frame.count + 1, node.n_required[key + 1], n_differ)) return false;
  const uint32_t n_other = !node.others.empty() && frame.n_other == 0 ? 1 : 0;
  return n_differ + node.n_possible[key + 1] + n_other >= node.least;
}

bool Stepper::other_is_possible(const Node& node, const Config& config, const OtherKeys& other) const {
  const Frame& frame = config.top;
  const uint32_t n_missing =
      node.is_ordered ? node.n_required[frame.seen] : static_cast<uint32_t>(std::popcount(node.required & ~frame.seen));
  const uint32_t n_differ = n_distinct(frame) + (frame.n_other == 0 ? 1 : 0);
  if (!has_room(node, frame.count + 1, n_missing, n_differ)) return false;
  return fits(other.value, config.below, node.kind == Kind::kObject);
}

bool Stepper::any_key_is_possible(const Node& node, const Config& config) const {
  for (uint32_t k = 0; k < node.keys.size(); ++k)
    if (key_is_possible(node, config, k)) return true;
  return std::any_of(node.others.begin(), node.others.end(),
                     [&](const OtherKeys& other) { return other_is_possible(node, config, other); });
}

// The keys that go on with this byte. False: none.
bool Stepper::narrow(const Config& config, uint8_t byte, Frame& out) const {
  const Node& node = grammar_.node(config.top.node);
  out = config.top;
  const auto text = [&](uint32_t i) -> const std::string& {
    const uint32_t key = node.sorted[i];
    return key == node.keys.size() ? node.end : node.keys[key].text;
  };
  const auto goes_on = [&](uint32_t i) { return static_cast<uint8_t>(text(i)[out.at]) == byte; };
  while (out.low < out.high && !goes_on(out.low)) ++out.low;
  while (out.low < out.high && !goes_on(out.high - 1)) --out.high;
  ++out.at;
  for (uint32_t i = out.low; i < out.high; ++i)
    if (key_is_possible(node, config, node.sorted[i])) return true;
  return false;
}

// The opening quote has come.
void Stepper::begin_key(const Config& config) {
  const Node& node = grammar_.node(config.top.node);
  Frame top = config.top;
  top.space = 0;
  top.phase = kKey;
  top.at = 0;
  top.low = 0;
  top.high = static_cast<uint32_t>(node.sorted.size());
  const bool is_possible = std::any_of(node.sorted.begin(), node.sorted.end(),
                                       [&](uint32_t key) { return key_is_possible(node, config, key); });
  if (is_possible) add(top, config.below);
  for (uint32_t i = 0; i < node.others.size(); ++i) {
    if (!other_is_possible(node, config, node.others[i])) continue;
    Frame after = config.top;
    after.phase = kColon;
    after.space = 0;
    after.low = static_cast<uint32_t>(node.keys.size()) + i;
    Frame word;
    word.node = node.others[i].word;
    add(word, links_.add(after, config.below, true));
  }
}

void Stepper::step_key(const Config& config, uint8_t byte) {
  const Node& node = grammar_.node(config.top.node);
  Frame top;
  if (!narrow(config, byte, top)) return;
  const uint32_t key = node.sorted[top.low];
  if (top.at == node.keys[key].text.size()) {
    top.phase = kColon;
    top.low = key;
    top.high = top.at = 0;
  }
  add(top, config.below);
}

void Stepper::step_object(const Config& config, uint8_t byte) {
  const Node& node = grammar_.node(config.top.node);
  Frame top = config.top;
  const auto go = [&](Phase phase) {
    top.phase = phase;
    top.space = 0;
    add(top, config.below);
  };
  switch (top.phase) {
    case kOpen:
      if (byte == '{') go(kFirst);
      return;
    case kKey: return step_key(config, byte);
    case kColon:
      if (byte == ':') go(kValue);
      return;
    default: break;
  }
  if (take_space(config, byte)) return;
  if (top.phase == kValue) {
    const bool is_other = top.low >= node.keys.size();
    const NodeId value = is_other ? node.others[top.low - node.keys.size()].value : node.keys[top.low].value;
    ++top.count;
    top.n_other += is_other ? 1 : 0;
    if (!is_other) top.seen = node.is_ordered ? top.low + 1 : top.seen | uint64_t{1} << top.low;
    // Only what decides is counted, so that like places are one.
    if (node.most == kUnlimited && top.n_other > 1) --top.n_other, --top.count;
    top.phase = kNext;
    top.low = 0;
    return begin_value(config, top, value, byte);
  }
  if (byte == '"' && top.phase != kNext) return begin_key(config);
  if (byte == '}' && top.phase != kMore && can_close(node, top)) return pop(config.below);
  if (byte == ',' && top.phase == kNext && any_key_is_possible(node, config)) go(kMore);
}

void Stepper::end_key(const Config& config, uint32_t key) {
  const Node& node = grammar_.node(config.top.node);
  if (key == node.keys.size()) return pop(config.below);
  const NodeId value = node.keys[key].value;
  if (node.kind == Kind::kChoice) return enter(value, config.below);
  Frame after = config.top;
  after.seen = node.is_ordered ? key + 1 : after.seen | uint64_t{1} << key;
  ++after.count;
  after.at = after.low = 0;
  after.high = static_cast<uint32_t>(node.sorted.size());
  enter(value, links_.add(after, config.below, false));
}

void Stepper::step_fields(const Config& config, uint8_t byte) {
  const Node& node = grammar_.node(config.top.node);
  if (config.top.at == 0) {
    for (size_t i = 0; i < node.others.size(); ++i) {
      if (!other_is_possible(node, config, node.others[i])) continue;
      Frame word;
      word.node = node.others[i].word;
      Frame after = config.top;
      ++after.count;
      ++after.n_other;
      if (after.n_other > 1) --after.n_other, --after.count;
      step({word, links_.add(after, config.below, false)}, byte);
    }
  }
  Frame top;
  if (!narrow(config, byte, top)) return;
  const uint32_t key = node.sorted[top.low];
  const std::string& text = key == node.keys.size() ? node.end : node.keys[key].text;
  if (top.at < text.size()) return add(top, config.below);
  end_key({config.top, config.below}, key);
}

}  // namespace tercet::grammar
