// Owns the way from a JSON schema to nodes. Inside of the folder; schema.h is for the others.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/numbers.h"
#include "grammar/schema.h"

namespace tercet::grammar {

// Kinds of JSON values; a number is whole or not.
enum Types : uint32_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kEveryType = 127,
};

// A node stands for schemas that all hold at once (so that allOf, and a $ref with keywords beside it, need nothing of
// their own). `expand` takes them apart until each alternative is a set of schemas of which only the plain keywords
// count; a node of each alternative's kinds is made of those. The same set is the same node, which is how recursion ends.
class SchemaCompiler {
 public:
  using Schemas = std::vector<const boost::json::value*>;
  using Plain = std::vector<const boost::json::object*>;

  SchemaCompiler(GrammarBuilder& builder, const boost::json::value& root, const SchemaOptions& options);
  Result<NodeId> compile(const boost::json::value& schema);
  Result<NodeId> compile_any_object();

 private:
  struct Item {
    const boost::json::value* schema;
    std::vector<const boost::json::value*> ancestors;  // that led to it without a step into a value
  };
  struct Choice {
    const boost::json::array* branches;
    std::vector<const boost::json::value*> ancestors;
  };

  // schema.cc
  Result<NodeId> node_of(Schemas schemas);
  Status work();
  Status expand(std::vector<Item> todo, Plain plain, std::vector<Choice> choices, std::vector<Plain>& out);
  Status open(const Item& item, Plain& plain, std::vector<Item>& todo, std::vector<Choice>& choices);
  Status check_keywords(const boost::json::object& schema);
  Result<const boost::json::value*> resolve(const boost::json::object& schema, const boost::json::value& ref);
  Status check_disjoint(const boost::json::object& schema, const boost::json::array& branches);
  Result<bool> are_disjoint(const Schemas& a, const Schemas& b, int depth);
  Result<bool> plain_are_disjoint(const Plain& a, const Plain& b, int depth);
  Schemas property_schemas(const Plain& plain, std::string_view name);

  // schema_kinds.cc
  Result<std::vector<NodeId>> nodes_of(const Plain& plain);
  Result<uint32_t> types_of(const Plain& plain);
  Result<NodeId> string_node(const Plain& plain);
  Result<NodeId> number_node(const Plain& plain, bool is_whole);
  Result<NodeId> array_node(const Plain& plain);
  Result<NodeId> literal_node(const std::vector<std::string>& texts);
  Result<NodeId> free_string();
  struct Lengths {
    uint32_t least = 0, most = kUnlimited;
  };
  Result<Lengths> lengths(const Plain& plain, std::string_view least, std::string_view most);
  Result<std::vector<std::pair<std::string, const boost::json::object*>>> patterns_of(const Plain& plain);
  Result<std::optional<Dfa>> patterned(const Plain& plain);
  Result<Dfa> pattern_word(std::string_view pattern, const boost::json::object& schema, std::string_view keyword);

  // schema_objects.cc
  Result<NodeId> object_node(const Plain& plain);
  struct KeyPattern {
    const boost::json::object* owner;
    const boost::json::value* value;
    Dfa word;  // from behind the opening quote
  };
  Result<std::vector<KeyPattern>> key_patterns(const Plain& plain);
  Result<std::optional<Dfa>> key_names(const Plain& plain);
  Schemas key_schemas(const Plain& plain, const std::vector<KeyPattern>& patterns, std::string_view name);
  Status add_others(Node& node, const Plain& plain, const std::vector<KeyPattern>& patterns,
                    const std::optional<Dfa>& names);
  Result<Dfa> other_word(const Node& node, const std::vector<KeyPattern>& patterns, size_t chosen,
                         const std::optional<Dfa>& names);

  // schema_values.cc
  Result<std::optional<std::vector<std::string>>> literals(const Plain& plain);
  Result<std::optional<boost::json::array>> literal_values(const Plain& plain);
  bool holds(const boost::json::value& value, const boost::json::value& schema, int depth);
  bool plain_holds(const boost::json::value& value, const boost::json::object& schema, int depth);
  bool size_holds(const boost::json::value& value, const boost::json::object& schema);
  bool parts_hold(const boost::json::value& value, const boost::json::object& schema, int depth);

  std::string path_of(const boost::json::object& schema, std::string_view keyword = {}) const;
  // Remembers where a part of `parent` stands.
  const boost::json::value* part(const boost::json::object& parent, std::string_view keyword,
                                 const boost::json::value& value, std::string_view name = {});
  // An error where the schema is to be enforced to the letter; else nothing.
  Status cannot(const boost::json::object& schema, std::string_view keyword, std::string_view seen,
                std::string_view wanted) const;
  static const boost::json::value* find(const boost::json::object& schema, std::string_view keyword);

  GrammarBuilder& builder_;
  const boost::json::value& root_;
  const SchemaOptions options_;
  bool is_draft7_ = false;
  std::unordered_map<const void*, std::string> paths_;
  std::map<Schemas, NodeId> nodes_;
  std::vector<std::pair<NodeId, Schemas>> todo_;
  std::set<const boost::json::object*> checked_;
  NodeId free_string_ = kNone;
  size_t n_work_ = 0;
};

}  // namespace tercet::grammar
