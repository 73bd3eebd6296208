#include "grammar/schema.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/text.h"
#include "grammar/schema_compiler.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

constexpr size_t kMaxAlternative = 256;  // of one place
constexpr size_t kMaxWork = 20'000;      // schemas looked at
constexpr int kMaxDisjointDepth = 3;

// What says something about values that no grammar here can keep.
constexpr std::array<std::string_view, 16> kUnenforced = {"not",
                                                          "if",
                                                          "then",
                                                          "else",
                                                          "contains",
                                                          "minContains",
                                                          "maxContains",
                                                          "dependencies",
                                                          "$dynamicRef",
                                                          "$recursiveRef",
                                                          "dependentSchemas",
                                                          "dependentRequired",
                                                          "unevaluatedItems",
                                                          "unevaluatedProperties",
                                                          "$anchor",
                                                          "$dynamicAnchor"};

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
    default: return "a number";
  }
}

// A step of a JSON pointer within a URI.
std::string unescaped(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    const auto digit = [&](size_t at) {
      const char c = at < token.size() ? token[at] : ' ';
      return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
    };
    if (token[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0) {
      out += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
      i += 2;
    } else if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

const json::value* step_into(const json::value& value, const std::string& token) {
  if (value.is_object()) return value.get_object().if_contains(token);
  if (!value.is_array() || token.empty() || token.size() > 6 || token.find_first_not_of("0123456789") != token.npos)
    return nullptr;
  return value.get_array().if_contains(std::stoul(token));
}

}  // namespace

SchemaCompiler::SchemaCompiler(GrammarBuilder& builder, const json::value& root, const SchemaOptions& options)
    : builder_(builder), root_(root), options_(options) {
  if (!root.is_object()) return;
  paths_[&root.get_object()] = options.path;
  const json::value* draft = find(root.get_object(), "$schema");
  is_draft7_ = draft != nullptr && draft->is_string() &&
               std::string_view(draft->get_string()).find("/draft-0") != std::string_view::npos;
}

const json::value* SchemaCompiler::find(const json::object& schema, std::string_view keyword) {
  return schema.if_contains(keyword);
}

std::string SchemaCompiler::path_of(const json::object& schema, std::string_view keyword) const {
  const auto it = paths_.find(&schema);
  std::string out = it == paths_.end() ? options_.path : it->second;
  if (!keyword.empty()) out += fmt::format("{}{}", out.empty() ? "" : ".", printable(keyword));
  return out;
}

const json::value* SchemaCompiler::part(const json::object& parent, std::string_view keyword, const json::value& value,
                                        std::string_view name) {
  if (value.is_object() && !paths_.contains(&value.get_object())) {
    std::string path = path_of(parent, keyword);
    const bool is_index = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!name.empty()) path += is_index ? fmt::format("[{}]", name) : fmt::format(".{}", printable(name));
    paths_[&value.get_object()] = std::move(path);
  }
  return &value;
}

Status SchemaCompiler::cannot(const json::object& schema, std::string_view keyword, std::string_view seen,
                              std::string_view wanted) const {
  if (!options_.is_strict) return {};
  return error(Code::kUnsupported, "{}: {}, want {}", path_of(schema, keyword), seen, wanted);
}

Result<NodeId> SchemaCompiler::compile(const json::value& schema) {
  if (schema.is_object()) paths_.try_emplace(&schema.get_object(), options_.path);
  ASSIGN_OR_RETURN(const NodeId out, node_of({&schema}));
  RETURN_IF_ERROR(work());
  return out;
}

Result<NodeId> SchemaCompiler::compile_any_object() {
  ASSIGN_OR_RETURN(const NodeId out, object_node({}));
  RETURN_IF_ERROR(work());
  return out;
}

// What is asked for now is made later, so that no depth of references becomes a depth of calls.
Result<NodeId> SchemaCompiler::node_of(Schemas schemas) {
  std::erase_if(schemas, [](const json::value* one) {
    return (one->is_bool() && one->get_bool()) || (one->is_object() && one->get_object().empty());
  });
  std::sort(schemas.begin(), schemas.end());
  schemas.erase(std::unique(schemas.begin(), schemas.end()), schemas.end());
  if (const auto it = nodes_.find(schemas); it != nodes_.end()) return it->second;
  ASSIGN_OR_RETURN(const NodeId out, builder_.reserve());
  nodes_.emplace(schemas, out);
  todo_.emplace_back(out, std::move(schemas));
  return out;
}

Status SchemaCompiler::work() {
  while (!todo_.empty()) {
    const auto [id, schemas] = std::move(todo_.back());
    todo_.pop_back();
    std::vector<Item> items;
    for (const json::value* one : schemas) items.push_back({one, {}});
    std::vector<Plain> alternatives;
    RETURN_IF_ERROR(expand(std::move(items), {}, {}, alternatives));
    Node node;
    for (const Plain& plain : alternatives) {
      ASSIGN_OR_RETURN(const std::vector<NodeId> parts, nodes_of(plain));
      node.parts.insert(node.parts.end(), parts.begin(), parts.end());
    }
    std::sort(node.parts.begin(), node.parts.end());
    node.parts.erase(std::unique(node.parts.begin(), node.parts.end()), node.parts.end());
    builder_.set(id, std::move(node));
  }
  return {};
}

Status SchemaCompiler::expand(std::vector<Item> todo, Plain plain, std::vector<Choice> choices,
                              std::vector<Plain>& out) {
  while (!todo.empty()) {
    const Item item = std::move(todo.back());
    todo.pop_back();
    if (++n_work_ > kMaxWork) return error(Code::kLimit, "{}: too large, want a simpler schema", options_.path);
    if (item.schema->is_bool()) {
      if (!item.schema->get_bool()) return {};  // nothing satisfies it: no alternative
      continue;
    }
    if (!item.schema->is_object()) {
      if (!options_.is_strict) continue;
      return error(Code::kInvalidArgument, "{}: {} in the place of a schema, want an object or a boolean",
                   options_.path, kind_of(*item.schema));
    }
    RETURN_IF_ERROR(open(item, plain, todo, choices));
  }
  if (choices.empty()) {
    if (out.size() >= kMaxAlternative)
      return error(Code::kLimit, "{}: more than {} alternatives at one place, want fewer", options_.path,
                   kMaxAlternative);
    if (std::find(out.begin(), out.end(), plain) == out.end()) out.push_back(std::move(plain));
    return {};
  }
  const Choice choice = std::move(choices.back());
  choices.pop_back();
  for (const json::value& branch : *choice.branches)
    RETURN_IF_ERROR(expand({{&branch, choice.ancestors}}, plain, choices, out));
  return {};
}

// Adds a schema's own keywords to `plain`, and what it refers to to the others.
Status SchemaCompiler::open(const Item& item, Plain& plain, std::vector<Item>& todo, std::vector<Choice>& choices) {
  const json::object& schema = item.schema->get_object();
  if (std::find(item.ancestors.begin(), item.ancestors.end(), item.schema) != item.ancestors.end())
    return error(Code::kInvalidArgument, "{}: leads back to itself, want a step into a value between", path_of(schema));
  if (std::find(plain.begin(), plain.end(), &schema) != plain.end()) return {};
  RETURN_IF_ERROR(check_keywords(schema));
  // The order of the schema is the order of properties.
  plain.push_back(&schema);
  std::vector<const json::value*> ancestors = item.ancestors;
  ancestors.push_back(item.schema);
  if (const json::value* ref = find(schema, "$ref")) {
    ASSIGN_OR_RETURN(const json::value* target, resolve(schema, *ref));
    if (target != nullptr) todo.push_back({target, ancestors});
  }
  for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
    const json::value* given = find(schema, keyword);
    if (given == nullptr) continue;
    if (!given->is_array() || given->get_array().empty()) {
      if (!options_.is_strict) continue;
      return error(Code::kInvalidArgument, "{}: {}, want an array of schemas", path_of(schema, keyword),
                   given->is_array() ? "empty" : kind_of(*given));
    }
    const json::array& branches = given->get_array();
    for (size_t i = 0; i < branches.size(); ++i) part(schema, keyword, branches[i], std::to_string(i));
    if (keyword == "allOf") {
      // The last is taken first: properties are to come in the order of the branches.
      for (size_t i = branches.size(); i-- > 0;) todo.push_back({&branches[i], ancestors});
      continue;
    }
    if (keyword == "oneOf") RETURN_IF_ERROR(check_disjoint(schema, branches));
    choices.push_back({&branches, ancestors});
  }
  return {};
}

Status SchemaCompiler::check_keywords(const json::object& schema) {
  if (!checked_.insert(&schema).second || !options_.is_strict) return {};
  for (const std::string_view keyword : kUnenforced)
    if (schema.contains(keyword)) return cannot(schema, keyword, "given", "none: it cannot be enforced");
  if (schema.contains("$id") && &schema != (root_.is_object() ? &root_.get_object() : nullptr))
    return cannot(schema, "$id", "given within the schema", "none: references are looked up from the root");
  return {};
}

Result<const json::value*> SchemaCompiler::resolve(const json::object& schema, const json::value& ref) {
  const auto refuse = [&](std::string_view seen, std::string_view wanted) -> Result<const json::value*> {
    if (!options_.is_strict) return nullptr;
    return error(Code::kInvalidArgument, "{}: {}, want {}", path_of(schema, "$ref"), seen, wanted);
  };
  constexpr std::string_view kWanted = "a reference within the schema, as #/$defs/NAME";
  if (!ref.is_string()) return refuse(kind_of(ref), kWanted);
  const std::string_view text = ref.get_string();
  if (text != "#" && !text.starts_with("#/")) return refuse(printable(text), kWanted);
  const json::value* at = &root_;
  std::string path = options_.path;
  for (size_t begin = 1; begin < text.size();) {
    const size_t end = std::min(text.find('/', begin + 1), text.size());
    const std::string token = unescaped(text.substr(begin + 1, end - begin - 1));
    at = step_into(*at, token);
    if (at == nullptr) return refuse(printable(text), "one that leads somewhere");
    path += fmt::format("{}{}", path.empty() ? "" : ".", printable(token));
    begin = end;
  }
  if (at->is_object()) paths_.try_emplace(&at->get_object(), path);
  return at;
}

// Exactly one: where no two can hold, it is the same as any.
Status SchemaCompiler::check_disjoint(const json::object& schema, const json::array& branches) {
  if (!options_.is_strict) return {};
  if (branches.size() > 64) return cannot(schema, "oneOf", "more than 64 branches", "fewer");
  for (size_t i = 0; i < branches.size(); ++i)
    for (size_t k = 0; k < i; ++k) {
      ASSIGN_OR_RETURN(const bool is_apart, are_disjoint({&branches[k]}, {&branches[i]}, 0));
      if (!is_apart)
        return cannot(schema, "oneOf", fmt::format("branches {} and {} may both hold", k, i),
                      "branches of which only one can, told apart by type or by a required property, or anyOf");
    }
  return {};
}

Result<bool> SchemaCompiler::are_disjoint(const Schemas& a, const Schemas& b, int depth) {
  const auto alternatives = [&](const Schemas& schemas) -> Result<std::vector<Plain>> {
    std::vector<Item> items;
    for (const json::value* one : schemas) items.push_back({one, {}});
    std::vector<Plain> out;
    RETURN_IF_ERROR(expand(std::move(items), {}, {}, out));
    return out;
  };
  ASSIGN_OR_RETURN(const std::vector<Plain> all_a, alternatives(a));
  ASSIGN_OR_RETURN(const std::vector<Plain> all_b, alternatives(b));
  for (const Plain& one : all_a)
    for (const Plain& other : all_b) {
      ASSIGN_OR_RETURN(const bool is_apart, plain_are_disjoint(one, other, depth));
      if (!is_apart) return false;
    }
  return true;
}

SchemaCompiler::Schemas SchemaCompiler::property_schemas(const Plain& plain, std::string_view name) {
  Schemas out;
  for (const json::object* schema : plain)
    if (const json::value* all = find(*schema, "properties"); all != nullptr && all->is_object())
      if (const json::value* one = all->get_object().if_contains(name))
        out.push_back(part(*schema, "properties", *one, name));
  return out;
}

Result<bool> SchemaCompiler::plain_are_disjoint(const Plain& a, const Plain& b, int depth) {
  ASSIGN_OR_RETURN(const uint32_t types_a, types_of(a));
  ASSIGN_OR_RETURN(const uint32_t types_b, types_of(b));
  ASSIGN_OR_RETURN(const auto literals_a, literals(a));
  ASSIGN_OR_RETURN(const auto literals_b, literals(b));
  if (literals_a && literals_b)
    return std::none_of(literals_a->begin(), literals_a->end(), [&](const std::string& one) {
      return std::find(literals_b->begin(), literals_b->end(), one) != literals_b->end();
    });
  const uint32_t both = types_a & types_b;
  if (both == 0) return true;
  if (both != kObject || depth >= kMaxDisjointDepth) return false;
  const auto requires_key = [&](const Plain& plain, std::string_view name) {
    return std::any_of(plain.begin(), plain.end(), [&](const json::object* schema) {
      const json::value* names = find(*schema, "required");
      if (names == nullptr || !names->is_array()) return false;
      return std::any_of(names->get_array().begin(), names->get_array().end(),
                         [&](const json::value& one) { return one.is_string() && one.get_string() == name; });
    });
  };
  for (const json::object* schema : a) {
    const json::value* names = find(*schema, "required");
    if (names == nullptr || !names->is_array()) continue;
    for (const json::value& one : names->get_array()) {
      if (!one.is_string() || !requires_key(b, one.get_string())) continue;
      const Schemas in_a = property_schemas(a, one.get_string());
      const Schemas in_b = property_schemas(b, one.get_string());
      if (in_a.empty() || in_b.empty()) continue;
      ASSIGN_OR_RETURN(const bool is_apart, are_disjoint(in_a, in_b, depth + 1));
      if (is_apart) return true;
    }
  }
  return false;
}

Result<NodeId> add_schema(GrammarBuilder& builder, const json::value& schema, const SchemaOptions& options,
                          const json::value* root) {
  auto out = SchemaCompiler(builder, root == nullptr ? schema : *root, options).compile(schema);
  if (out || out.error().message.starts_with(options.path)) return out;
  Error failed = std::move(out).error();
  failed.message = fmt::format("{}: {}", options.path, failed.message);
  return tl::make_unexpected(std::move(failed));
}

Result<NodeId> add_any_object(GrammarBuilder& builder) {
  const json::value any = true;
  return SchemaCompiler(builder, any, {}).compile_any_object();
}

}  // namespace tercet::grammar
