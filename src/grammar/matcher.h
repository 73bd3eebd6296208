// Owns one answer's way through a grammar: which tokens may come next, and what has come.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace tercet::grammar {

// Where a node stands. What the members mean is for the node's kind to say.
struct Frame {
  NodeId node = kNone;
  uint8_t phase = 0;
  uint8_t space = 0;           // bytes of white space just before, and kLine if they began with a line's end
  uint32_t at = 0;             // a word's state; a sequence's next part; bytes of a key read so far
  uint32_t low = 0, high = 0;  // keys, by text, that begin with what was read; low: the key whose value comes
  uint32_t count = 0;          // characters, items, keys so far
  uint32_t n_other = 0;        // of the keys, those that were not named
  uint64_t seen = 0;           // keys so far: bits, or the first that may still come where they are ordered
  bool operator==(const Frame&) const = default;
};

// What goes on when the nodes above it are done.
struct Link {
  Frame frame;
  const Link* below = nullptr;
  uint32_t depth = 0;  // arrays and objects, this one's frame among them
};

// Memory of links that are all given up at once.
class Links {
 public:
  const Link* add(const Frame& frame, const Link* below, bool is_container);
  void clear() { n_used_ = 0; }
  size_t size() const { return n_used_; }

 private:
  static constexpr size_t kBlock = 256;
  std::vector<std::unique_ptr<Link[]>> blocks_;
  size_t n_used_ = 0;
};

struct Config {
  Frame top;
  const Link* below = nullptr;
  bool operator==(const Config&) const = default;
};

// All the ways in which what has come can be read.
struct State {
  std::vector<Config> configs;
  bool is_done = false;  // one of them is complete
  bool is_dead() const { return configs.empty() && !is_done; }
  void clear() {
    configs.clear();
    is_done = false;
  }
};

// Runs frames over bytes; it owns nothing.
class Stepper {
 public:
  Stepper(const Grammar& grammar, Links& links, State& out) : grammar_(grammar), links_(links), out_(out) {}

  void enter(NodeId node, const Link* below);
  void step(const Config& config, uint8_t byte);
  // Goes on below what is done.
  void pop(const Link* below);

 private:
  void add(const Frame& top, const Link* below);
  void step_word(const Config& config, uint8_t byte);
  void step_counted(const Config& config, uint8_t byte);
  void step_array(const Config& config, uint8_t byte);
  void step_object(const Config& config, uint8_t byte);
  void step_fields(const Config& config, uint8_t byte);
  void begin_key(const Config& config);
  void step_key(const Config& config, uint8_t byte);
  void begin_value(const Config& config, Frame after, NodeId value, uint8_t byte);
  void end_key(const Config& config, uint32_t key);
  bool narrow(const Config& config, uint8_t byte, Frame& out) const;
  bool take_space(const Config& config, uint8_t byte);

  bool fits(NodeId node, const Link* below, bool within_container) const;
  bool key_is_possible(const Node& node, const Config& config, uint32_t key) const;
  bool other_is_possible(const Node& node, const Config& config, const OtherKeys& other) const;
  bool any_key_is_possible(const Node& node, const Config& config) const;
  bool can_close(const Node& node, const Frame& frame) const;
  NodeId item(const Node& node, const Config& config) const;

  const Grammar& grammar_;
  Links& links_;
  State& out_;
};

class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const Grammar> grammar);

  // A bit for each token of the vocabulary that may come next; end tokens where the answer may end. Valid until the next
  // call. No bit is set where the vocabulary lacks the bytes that the grammar wants.
  std::span<const uint32_t> mask();
  // False if the token may not come; nothing has changed then.
  bool accept(TokenId token);
  bool accept(std::string_view bytes);

  bool may_end() const { return state_.is_done; }
  // Nothing more may come.
  bool is_over() const { return state_.is_done && state_.configs.empty(); }

 private:
  void add_mask(const Config& config);
  void walk(uint32_t place, const Config& config);
  void compact();

  std::shared_ptr<const Grammar> grammar_;
  State state_;
  Links links_, spare_links_, walk_links_;
  std::vector<uint32_t> mask_;
  bool has_mask_ = false;
  std::vector<State> path_;
  int64_t n_step_left_ = 0;
};

}  // namespace tercet::grammar
