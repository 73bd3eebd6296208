// Owns what an answer may be: a grammar over bytes, made of words (regular languages) and of nodes that hold one another.
// How a JSON schema or a set of tools becomes one is for schema.h and tool_calls.h; matcher.h runs it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/dfa.h"
#include "grammar/vocabulary.h"

namespace tercet::grammar {

using NodeId = uint32_t;
inline constexpr NodeId kNone = UINT32_MAX;
inline constexpr uint32_t kUnlimited = UINT32_MAX;

inline constexpr uint32_t kMaxDepth = 48;          // arrays and objects within one another
inline constexpr size_t kMaxNode = 4096;           // of a grammar
inline constexpr size_t kMaxDfaState = 4096;       // of one word
inline constexpr size_t kMaxGrammarState = 65536;  // of all words
inline constexpr size_t kMaxKey = 1024;            // properties of an object

struct Key {
  std::string text;  // as it is written, from behind the quote to the closing one; no key's begins with another's
  NodeId value = kNone;
  bool is_required = false;
};

// Keys that are not named, by what they look like, from behind the quote to the closing one.
struct OtherKeys {
  NodeId word = kNone;
  NodeId value = kNone;
};

struct Node {
  enum class Kind {
    kWord,      // of `dfa`; never empty
    kCounted,   // a JSON string of least to most characters; `dfa` is that of all strings
    kEither,    // one of parts
    kSequence,  // all of parts
    kArray,     // of parts and then `rest`, least to most in all
    kObject,    // of keys and others, least to most in all
    kFields,    // keys' texts, each followed by its value, until `end`
    kChoice,    // one key's text and its value
  };
  Kind kind = Kind::kEither;
  uint32_t dfa = 0;
  uint32_t least = 0, most = kUnlimited;
  std::vector<NodeId> parts = {};
  NodeId rest = kNone;
  std::vector<Key> keys = {};
  std::vector<OtherKeys> others = {};
  bool is_ordered = false;  // keys come in their own order, others anywhere
  std::string end = {};     // kFields

  // What finish() finds out.
  uint32_t depth = kUnlimited;        // arrays and objects that the shortest way needs; kUnlimited: there is none
  std::vector<uint32_t> sorted = {};  // keys by text; keys.size() stands for `end`
  uint64_t required = 0;              // bits, where keys are not ordered
  std::vector<uint32_t> next_required = {};  // ordered: the first required key from each on
  std::vector<uint32_t> n_required = {};     // ordered: how many there are from each on
  std::vector<uint32_t> n_possible = {};     // ordered: keys from each on that have a value
};

// The tokens that a word allows from one of its states on, and the places in the vocabulary where it may end.
struct WordMask {
  std::vector<uint32_t> allowed;
  std::vector<uint32_t> exits;
};

class Grammar {
 public:
  const Node& node(NodeId id) const { return nodes_[id]; }
  const Dfa& dfa(uint32_t id) const { return dfas_[id]; }
  NodeId root() const { return root_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }

  // Made when first asked for, and kept. One thread at a time: the engine's.
  struct MaskKey {
    uint32_t dfa, state, n_least, n_most;  // characters still wanted, still possible
    auto operator<=>(const MaskKey&) const = default;
  };
  const WordMask& word_mask(const MaskKey& key, bool is_counted) const;

 private:
  friend class GrammarBuilder;
  std::vector<Node> nodes_;
  std::vector<Dfa> dfas_;
  NodeId root_ = kNone;
  std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::map<MaskKey, WordMask> masks_;
};

class GrammarBuilder {
 public:
  // Errors: kLimit.
  Result<NodeId> reserve();  // to be given its content later
  Result<NodeId> add(Node node);
  void set(NodeId id, Node node) { nodes_[id] = std::move(node); }
  Result<uint32_t> add_dfa(Dfa dfa);
  Result<NodeId> add_word(Dfa dfa);
  Result<NodeId> add_text(std::string_view text);
  const Node& node(NodeId id) const { return nodes_[id]; }
  const Dfa& dfa(uint32_t id) const { return dfas_[id]; }

  // Whether a text of finite length is of this node.
  bool can_be_satisfied(NodeId id);
  // Errors: kInvalidArgument where nothing satisfies the root.
  Result<std::shared_ptr<const Grammar>> finish(NodeId root, std::shared_ptr<const Vocabulary> vocabulary);

 private:
  uint32_t depth_of(const Node& node) const;
  void find_depths();
  static void index_keys(Node& node, const std::vector<Node>& nodes);

  std::vector<Node> nodes_;
  std::vector<Dfa> dfas_;
  std::map<std::string, NodeId, std::less<>> texts_;
  size_t n_state_ = 0;
};

}  // namespace tercet::grammar
