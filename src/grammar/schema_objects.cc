// Nodes of objects: which keys there may be, and what each one's value is.
#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "grammar/nfa.h"
#include "grammar/schema_compiler.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

constexpr size_t kMaxPattern = 4;  // of keys: each doubles the kinds of keys

// What stands behind the first byte of the words.
Dfa without_first(const Dfa& word, uint8_t first) {
  Dfa::Table table;
  table.add(false);  // the start, which nothing leads back to
  const Dfa::State begin = word.next(word.start(), first);
  if (begin == Dfa::kDead) return Dfa();
  for (Dfa::State s = 0; s < word.n_state(); ++s) table.add(word.accepts(s));
  for (size_t byte = 0; byte < 256; ++byte) {
    for (Dfa::State s = 0; s < word.n_state(); ++s)
      if (const Dfa::State to = word.next(s, static_cast<uint8_t>(byte)); to != Dfa::kDead)
        table.next[s + 1][byte] = to + 1;
    table.next[0][byte] = table.next[begin + 1][byte];
  }
  return Dfa(table);
}

// In one spelling only, so that a key that is named is known: no escapes but those of " and \.
Result<Dfa> any_key() {
  Nfa nfa;
  const auto character = nfa.json_character(CodePoints({{0x20, kMaxCodePoint}}).intersection(CodePoints::all()));
  return nfa.dfa(nfa.sequence(nfa.star(character), nfa.text("\"")), kMaxDfaState);
}

}  // namespace

Result<std::vector<SchemaCompiler::KeyPattern>> SchemaCompiler::key_patterns(const Plain& plain) {
  std::vector<KeyPattern> out;
  for (const json::object* schema : plain) {
    const json::value* given = find(*schema, "patternProperties");
    if (given == nullptr) continue;
    if (!given->is_object()) {
      RETURN_IF_ERROR(cannot(*schema, "patternProperties", "no object", "an object"));
      continue;
    }
    for (const auto& [pattern, value] : given->get_object()) {
      auto word = pattern_word(pattern, *schema, "patternProperties");
      if (!word && !options_.is_strict) continue;
      if (!word) return tl::make_unexpected(word.error());
      out.push_back({schema, part(*schema, "patternProperties", value, pattern), without_first(*word, '"')});
    }
  }
  return out;
}

// What `propertyNames` allows; nothing where there is none.
Result<std::optional<Dfa>> SchemaCompiler::key_names(const Plain& plain) {
  Schemas schemas;
  const json::object* owner = nullptr;
  for (const json::object* schema : plain) {
    const json::value* names = find(*schema, "propertyNames");
    if (names == nullptr) continue;
    owner = schema;
    schemas.push_back(part(*schema, "propertyNames", *names));
  }
  std::optional<Dfa> out;
  if (schemas.empty()) return out;
  std::vector<Item> items;
  for (const json::value* one : schemas) items.push_back({one, {}});
  std::vector<Plain> alternatives;
  RETURN_IF_ERROR(expand(std::move(items), {}, {}, alternatives));
  if (alternatives.size() != 1) {
    RETURN_IF_ERROR(cannot(*owner, "propertyNames", "alternatives", "a pattern, lengths or an enum"));
    return out;
  }
  ASSIGN_OR_RETURN(const uint32_t types, types_of(alternatives[0]));
  if ((types & kString) == 0) return Dfa();  // no name is allowed
  ASSIGN_OR_RETURN(const auto texts, literals(alternatives[0]));
  NodeId node = kNone;
  if (texts) {
    ASSIGN_OR_RETURN(node, literal_node(*texts));
  } else {
    ASSIGN_OR_RETURN(node, string_node(alternatives[0]));
  }
  const Node& made = builder_.node(node);
  if (made.kind == Node::Kind::kWord) out = without_first(builder_.dfa(made.dfa), '"');
  if (made.kind == Node::Kind::kCounted)
    RETURN_IF_ERROR(cannot(*owner, "propertyNames", "lengths alone", "a pattern or an enum"));
  return out;
}

SchemaCompiler::Schemas SchemaCompiler::key_schemas(const Plain& plain, const std::vector<KeyPattern>& patterns,
                                                    std::string_view name) {
  const std::string text = fmt::format("{}\"", canonical_text(name));
  Schemas out;
  for (const json::object* schema : plain) {
    bool is_named = false;
    if (const json::value* all = find(*schema, "properties"); all != nullptr && all->is_object())
      if (const json::value* one = all->get_object().if_contains(name)) {
        out.push_back(part(*schema, "properties", *one, name));
        is_named = true;
      }
    for (const KeyPattern& pattern : patterns)
      if (pattern.owner == schema && pattern.word.matches(text)) {
        out.push_back(pattern.value);
        is_named = true;
      }
    const json::value* others = find(*schema, "additionalProperties");
    if (!is_named && others != nullptr) out.push_back(part(*schema, "additionalProperties", *others));
  }
  return out;
}

// Keys that are not named, match the patterns chosen and none of the others.
Result<Dfa> SchemaCompiler::other_word(const Node& node, const std::vector<KeyPattern>& patterns, size_t chosen,
                                       const std::optional<Dfa>& names) {
  ASSIGN_OR_RETURN(Dfa out, any_key());
  Nfa nfa;
  std::vector<Nfa::Fragment> known;
  for (const Key& key : node.keys) known.push_back(nfa.text(key.text));
  ASSIGN_OR_RETURN(const Dfa named, nfa.dfa(nfa.either(known), kMaxGrammarState));
  ASSIGN_OR_RETURN(out, difference(out, named, kMaxGrammarState));
  if (names) {
    ASSIGN_OR_RETURN(out, intersection(out, *names, kMaxGrammarState));
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    const bool matches = (chosen >> i & 1U) != 0;
    ASSIGN_OR_RETURN(out, matches ? intersection(out, patterns[i].word, kMaxGrammarState)
                                  : difference(out, patterns[i].word, kMaxGrammarState));
  }
  return out;
}

Status SchemaCompiler::add_others(Node& node, const Plain& plain, const std::vector<KeyPattern>& patterns,
                                  const std::optional<Dfa>& names) {
  for (size_t chosen = 0; chosen < (size_t{1} << patterns.size()); ++chosen) {
    Schemas schemas;
    for (const json::object* schema : plain) {
      bool is_matched = false;
      for (size_t i = 0; i < patterns.size(); ++i)
        if (patterns[i].owner == schema && (chosen >> i & 1U) != 0) {
          schemas.push_back(patterns[i].value);
          is_matched = true;
        }
      const json::value* others = find(*schema, "additionalProperties");
      if (!is_matched && others != nullptr) schemas.push_back(part(*schema, "additionalProperties", *others));
    }
    const bool is_forbidden = std::any_of(schemas.begin(), schemas.end(),
                                          [](const json::value* one) { return one->is_bool() && !one->get_bool(); });
    if (is_forbidden) continue;
    ASSIGN_OR_RETURN(Dfa word, other_word(node, patterns, chosen, names));
    if (word.is_empty()) continue;
    OtherKeys other;
    ASSIGN_OR_RETURN(other.word, builder_.add_word(std::move(word)));
    ASSIGN_OR_RETURN(other.value, node_of(std::move(schemas)));
    node.others.push_back(other);
  }
  return {};
}

Result<NodeId> SchemaCompiler::object_node(const Plain& plain) {
  Node node{Node::Kind::kObject};
  node.is_ordered = options_.is_ordered;
  ASSIGN_OR_RETURN(const Lengths length, lengths(plain, "minProperties", "maxProperties"));
  node.least = length.least;
  node.most = length.most;
  ASSIGN_OR_RETURN(const auto patterns, key_patterns(plain));
  if (patterns.size() > kMaxPattern)
    return error(Code::kLimit, "{}: {} patterns, want at most {}", path_of(*patterns[0].owner, "patternProperties"),
                 patterns.size(), kMaxPattern);
  ASSIGN_OR_RETURN(const auto names, key_names(plain));

  std::vector<std::string> keys;
  std::set<std::string, std::less<>> seen, required;
  const auto add_key = [&](std::string_view name) {
    if (seen.emplace(name).second) keys.emplace_back(name);
  };
  for (const json::object* schema : plain) {
    const json::value* all = find(*schema, "properties");
    if (all != nullptr && !all->is_object())
      RETURN_IF_ERROR(cannot(*schema, "properties", "no object", "an object of schemas"));
    if (all != nullptr && all->is_object())
      for (const auto& [name, value] : all->get_object()) add_key(name);
  }
  for (const json::object* schema : plain) {
    const json::value* all = find(*schema, "required");
    if (all == nullptr) continue;
    const bool are_names = all->is_array() && std::all_of(all->get_array().begin(), all->get_array().end(),
                                                          [](const json::value& one) { return one.is_string(); });
    if (!are_names) {
      RETURN_IF_ERROR(cannot(*schema, "required", "no array of strings", "an array of strings"));
      continue;
    }
    for (const json::value& name : all->get_array()) {
      add_key(name.get_string());
      required.emplace(name.get_string());
    }
  }
  if (keys.size() > kMaxKey)
    return error(Code::kLimit, "{}: {} properties, want at most {}", path_of(*plain.front()), keys.size(), kMaxKey);
  for (const std::string& name : keys) {
    Key key{fmt::format("{}\"", canonical_text(name)), kNone, required.contains(name)};
    Schemas schemas = key_schemas(plain, patterns, name);
    static const json::value kNever = false;
    if (names && !names->matches(key.text)) schemas = {&kNever};
    ASSIGN_OR_RETURN(key.value, node_of(std::move(schemas)));
    node.keys.push_back(std::move(key));
  }
  const bool speaks_of_others = std::any_of(plain.begin(), plain.end(), [](const json::object* schema) {
    return schema->contains("additionalProperties") || schema->contains("patternProperties") ||
           schema->contains("propertyNames");
  });
  const bool is_closed = options_.is_closed && !keys.empty() && !speaks_of_others && node.least <= keys.size();
  if (!is_closed) RETURN_IF_ERROR(add_others(node, plain, patterns, names));
  return builder_.add(std::move(node));
}

}  // namespace tercet::grammar
