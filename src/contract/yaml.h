// Owns the way from a YAML text to a tree that knows the line and the column of everything in it. The text is hostile: its
// size, depth and number of nodes are bounded, and anchors, aliases, tags and second documents are refused, since no
// contract needs them and each is a way to make a small file large.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet::contract {

struct Mark {
  int line = 0;    // from 1; 0: the file as a whole
  int column = 0;  // from 1, in code points
};

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Key {
    std::string text;
    Mark at;
  };
  Kind kind = Kind::kNull;
  Mark at;
  std::string text;         // of a scalar
  std::vector<Key> keys;    // of a map, in the file's order, one for each item
  std::vector<Node> items;  // of a list or a map
};

std::string_view kind_name(Node::Kind kind);

inline constexpr size_t kMaxYamlBytes = size_t{1} << 19;
inline constexpr int kMaxYamlDepth = 16;
inline constexpr int kMaxYamlNodes = 50'000;

struct YamlError {
  Mark at;
  std::string message;
};

// One document. Errors: what is not YAML, and what is beyond the limits.
tl::expected<Node, YamlError> parse_yaml(std::string_view text);

}  // namespace tercet::contract
