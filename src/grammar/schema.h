// Owns how a JSON schema becomes a grammar: every text of the grammar is JSON that the schema validates. Not every value
// that the schema validates is a text of it, and none need be: numbers have a bounded number of digits, for one.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.h"
#include "grammar/grammar.h"

namespace tercet::grammar {

struct SchemaOptions {
  std::string path;        // where the schema stands: what errors begin with
  bool is_strict = true;   // a keyword that cannot be enforced is an error; else it is left out
  bool is_ordered = true;  // properties come in the schema's order
  bool is_closed = false;  // where a schema names properties and says nothing of others, there are none
};

// Drafts 7 and 2020-12. Errors, each beginning with a path: kInvalidArgument (a schema that is none, or that nothing
// satisfies), kUnsupported (a keyword that cannot be enforced), kLimit.
// `root`: what references are looked up in; null: the schema itself.
Result<NodeId> add_schema(GrammarBuilder& builder, const boost::json::value& schema, const SchemaOptions& options,
                          const boost::json::value* root = nullptr);

// Any JSON object.
Result<NodeId> add_any_object(GrammarBuilder& builder);

// The text of a value as grammars write it: no space, the shortest escapes.
std::string canonical_json(const boost::json::value& value);
// The inside of a JSON string in that form.
std::string canonical_text(std::string_view text);

}  // namespace tercet::grammar
