// Nodes of strings, numbers and arrays.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <numeric>

#include "base/text.h"
#include "grammar/nfa.h"
#include "grammar/regex.h"
#include "grammar/schema_compiler.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

// What `format` asks for. The words of each are among those of its RFC.
constexpr std::string_view kDate = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
constexpr std::string_view kTime =
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
constexpr std::string_view kHost =
    "[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?){0,4}";
constexpr std::string_view kByte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

std::string pattern_of_format(std::string_view format) {
  if (format == "date") return fmt::format("^{}$", kDate);
  if (format == "time") return fmt::format("^{}$", kTime);
  if (format == "date-time") return fmt::format("^{}T{}$", kDate, kTime);
  if (format == "duration")
    return "^P([1-9][0-9]{0,3}W|[1-9][0-9]{0,3}D(T[1-9][0-9]{0,3}[HMS])?|T[1-9][0-9]{0,3}[HMS])$";
  if (format == "email") return fmt::format("^[A-Za-z0-9_%+-]{{1,30}}(\\.[A-Za-z0-9_%+-]{{1,20}}){{0,2}}@{}$", kHost);
  if (format == "hostname") return fmt::format("^{}$", kHost);
  if (format == "ipv4") return fmt::format("^{0}\\.{0}\\.{0}\\.{0}$", kByte);
  if (format == "ipv6") return "^([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$";
  if (format == "uuid") return "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
  if (format == "uri") return "^[a-z][a-z0-9+.-]{0,15}://[A-Za-z0-9._~:/?@!$&'()*+,;=-]+$";
  return {};
}

uint32_t types_named(std::string_view name) {
  if (name == "null") return kNull;
  if (name == "boolean") return kBoolean;
  if (name == "integer") return kInteger;
  if (name == "number") return kInteger | kFraction;
  if (name == "string") return kString;
  if (name == "array") return kArray;
  if (name == "object") return kObject;
  return 0;
}

// The strings of a word that have so many characters.
Result<Dfa> of_length(const Dfa& strings, uint32_t least, uint32_t most) {
  const Dfa::State boundary = strings.next(strings.start(), '"');
  const uint32_t last = most != kUnlimited ? most : least;  // beyond it all counts are alike
  Dfa::Table table;
  std::map<std::pair<Dfa::State, uint32_t>, Dfa::State> ids;
  std::vector<std::pair<Dfa::State, uint32_t>> places;
  const auto id_of = [&](Dfa::State state, uint32_t count) {
    const auto [it, is_new] = ids.try_emplace({state, count}, static_cast<Dfa::State>(places.size()));
    if (is_new) {
      places.emplace_back(state, count);
      table.add(strings.accepts(state));
    }
    return it->second;
  };
  id_of(strings.start(), 0);
  for (size_t i = 0; i < places.size(); ++i) {
    if (places.size() > kMaxDfaState) return error(Code::kLimit, "more than {} states, want fewer", kMaxDfaState);
    const auto [state, count] = places[i];
    for (size_t byte = 0; byte < 256; ++byte) {
      const Dfa::State to = strings.next(state, static_cast<uint8_t>(byte));
      if (to == Dfa::kDead) continue;
      if (state == boundary && (byte == '"' ? count < least : most != kUnlimited && count >= most)) continue;
      const bool is_character = to == boundary && state != strings.start();
      table.next[i][byte] = id_of(to, is_character ? std::min(count + 1, last) : count);
    }
  }
  return Dfa(table);
}

Result<Dfa> all_strings(bool in_any_spelling) {
  Nfa nfa;
  const auto character = in_any_spelling ? nfa.json_any() : nfa.json_character(CodePoints::all());
  return nfa.dfa(nfa.sequence({nfa.text("\""), nfa.star(character), nfa.text("\"")}), kMaxDfaState);
}

}  // namespace

Result<uint32_t> SchemaCompiler::types_of(const Plain& plain) {
  uint32_t out = kEveryType;
  for (const json::object* schema : plain) {
    const json::value* given = find(*schema, "type");
    if (given == nullptr) continue;
    uint32_t named = 0;
    const auto add = [&](const json::value& one) -> Status {
      const uint32_t types = one.is_string() ? types_named(one.get_string()) : 0;
      named |= types;
      if (types != 0) return {};
      return cannot(*schema, "type", one.is_string() ? printable(one.get_string()) : "no string",
                    "null, boolean, integer, number, string, array or object");
    };
    if (given->is_array()) {
      for (const json::value& one : given->get_array()) RETURN_IF_ERROR(add(one));
    } else {
      RETURN_IF_ERROR(add(*given));
    }
    if (named != 0) out &= named;
  }
  return out;
}

Result<std::vector<NodeId>> SchemaCompiler::nodes_of(const Plain& plain) {
  std::vector<NodeId> out;
  ASSIGN_OR_RETURN(const auto texts, literals(plain));
  const auto add = [&](Result<NodeId> made) -> Status {
    ASSIGN_OR_RETURN(const NodeId id, std::move(made));
    out.push_back(id);
    return {};
  };
  if (texts) {
    if (!texts->empty()) RETURN_IF_ERROR(add(literal_node(*texts)));
    return out;
  }
  ASSIGN_OR_RETURN(const uint32_t types, types_of(plain));
  if ((types & kNull) != 0) RETURN_IF_ERROR(add(builder_.add_text("null")));
  if ((types & kBoolean) != 0) RETURN_IF_ERROR(add(literal_node({"true", "false"})));
  if ((types & (kInteger | kFraction)) != 0) RETURN_IF_ERROR(add(number_node(plain, (types & kFraction) == 0)));
  if ((types & kString) != 0) RETURN_IF_ERROR(add(string_node(plain)));
  if ((types & kArray) != 0) RETURN_IF_ERROR(add(array_node(plain)));
  if ((types & kObject) != 0) RETURN_IF_ERROR(add(object_node(plain)));
  return out;
}

Result<NodeId> SchemaCompiler::literal_node(const std::vector<std::string>& texts) {
  Nfa nfa;
  std::vector<Nfa::Fragment> parts;
  for (const std::string& text : texts) parts.push_back(nfa.text(text));
  ASSIGN_OR_RETURN(Dfa dfa, nfa.dfa(nfa.either(parts), kMaxDfaState));
  return builder_.add_word(std::move(dfa));
}

Result<NodeId> SchemaCompiler::free_string() {
  if (free_string_ != kNone) return free_string_;
  ASSIGN_OR_RETURN(Dfa dfa, all_strings(true));
  ASSIGN_OR_RETURN(free_string_, builder_.add_word(std::move(dfa)));
  return free_string_;
}

// The greatest of the lower limits and the least of the upper ones.
Result<SchemaCompiler::Lengths> SchemaCompiler::lengths(const Plain& plain, std::string_view least,
                                                        std::string_view most) {
  Lengths out;
  for (const json::object* schema : plain) {
    const auto read = [&](std::string_view keyword) -> Result<std::optional<uint32_t>> {
      const json::value* given = find(*schema, keyword);
      if (given == nullptr) return std::nullopt;
      const double value = given->is_number() ? given->to_number<double>() : -1;
      if (value >= 0 && value == std::floor(value)) return static_cast<uint32_t>(std::min(value, 4e9));
      RETURN_IF_ERROR(cannot(*schema, keyword, given->is_number() ? fmt::format("{}", value) : "no number",
                             "a whole number from 0"));
      return std::nullopt;
    };
    ASSIGN_OR_RETURN(const auto low, read(least));
    ASSIGN_OR_RETURN(const auto high, read(most));
    if (low) out.least = std::max(out.least, *low);
    if (high) out.most = std::min(out.most, *high);
  }
  return out;
}

Result<std::vector<std::pair<std::string, const json::object*>>> SchemaCompiler::patterns_of(const Plain& plain) {
  std::vector<std::pair<std::string, const json::object*>> out;
  for (const json::object* schema : plain) {
    if (const json::value* pattern = find(*schema, "pattern")) {
      if (pattern->is_string()) {
        out.emplace_back(pattern->get_string(), schema);
      } else {
        RETURN_IF_ERROR(cannot(*schema, "pattern", "no string", "a regular expression"));
      }
    }
    const json::value* format = find(*schema, "format");
    if (format == nullptr) continue;
    const std::string known = format->is_string() ? pattern_of_format(format->get_string()) : "";
    if (!known.empty()) {
      out.emplace_back(known, schema);
    } else {
      RETURN_IF_ERROR(cannot(*schema, "format", format->is_string() ? printable(format->get_string()) : "no string",
                             "date, time, date-time, duration, email, hostname, ipv4, ipv6, uri or uuid"));
    }
  }
  return out;
}

Result<Dfa> SchemaCompiler::pattern_word(std::string_view pattern, const json::object& schema,
                                         std::string_view keyword) {
  Nfa nfa;
  auto fragment = add_regex(nfa, pattern);
  const auto failed = [&](const Error& why) {
    return error(why.code, "{}: {}", path_of(schema, keyword), why.message);
  };
  if (!fragment) return failed(fragment.error());
  auto dfa = nfa.dfa(nfa.sequence({nfa.text("\""), *fragment, nfa.text("\"")}), kMaxDfaState);
  if (!dfa) return failed(dfa.error());
  return dfa;
}

// The strings that every pattern matches; nothing where there is none.
Result<std::optional<Dfa>> SchemaCompiler::patterned(const Plain& plain) {
  std::optional<Dfa> out;
  ASSIGN_OR_RETURN(const auto patterns, patterns_of(plain));
  for (const auto& [pattern, schema] : patterns) {
    auto word = pattern_word(pattern, *schema, find(*schema, "pattern") != nullptr ? "pattern" : "format");
    if (!word && !options_.is_strict) continue;
    if (!word) return tl::make_unexpected(word.error());
    if (out) {
      ASSIGN_OR_RETURN(word, intersection(*out, *word, kMaxDfaState));
    }
    out = *std::move(word);
  }
  return out;
}

Result<NodeId> SchemaCompiler::string_node(const Plain& plain) {
  ASSIGN_OR_RETURN(const Lengths length, lengths(plain, "minLength", "maxLength"));
  ASSIGN_OR_RETURN(std::optional<Dfa> word, patterned(plain));
  const bool is_limited = length.least > 0 || length.most != kUnlimited;
  if (!word && !is_limited) return free_string();
  if (!word) {
    ASSIGN_OR_RETURN(const NodeId strings, free_string());
    Node node{Node::Kind::kCounted};
    node.dfa = builder_.node(strings).dfa;
    node.least = length.least;
    node.most = length.most;
    return builder_.add(std::move(node));
  }
  if (is_limited) {
    ASSIGN_OR_RETURN(const Dfa strings, all_strings(false));
    ASSIGN_OR_RETURN(const Dfa counted, of_length(strings, length.least, length.most));
    ASSIGN_OR_RETURN(word, intersection(*word, counted, kMaxDfaState));
  }
  return builder_.add_word(*std::move(word));
}

Result<NodeId> SchemaCompiler::number_node(const Plain& plain, bool is_whole) {
  NumberRange range;
  int64_t divisor = 1;
  for (const json::object* schema : plain) {
    const auto take = [&](std::string_view keyword, bool is_low, bool is_exclusive) -> Status {
      const json::value* given = find(*schema, keyword);
      if (given == nullptr) return {};
      if (!given->is_number()) return cannot(*schema, keyword, "no number", "a number");
      const long double value = given->is_int64()    ? static_cast<long double>(given->get_int64())
                                : given->is_uint64() ? static_cast<long double>(given->get_uint64())
                                                     : static_cast<long double>(given->get_double());
      std::optional<Bound>& bound = is_low ? range.low : range.high;
      const bool is_narrower =
          !bound || (is_low ? value > bound->value : value < bound->value) || (value == bound->value && is_exclusive);
      if (is_narrower) bound = Bound{value, is_exclusive};
      return {};
    };
    RETURN_IF_ERROR(take("minimum", true, false));
    RETURN_IF_ERROR(take("maximum", false, false));
    RETURN_IF_ERROR(take("exclusiveMinimum", true, true));
    RETURN_IF_ERROR(take("exclusiveMaximum", false, true));
    const json::value* multiple = find(*schema, "multipleOf");
    if (multiple == nullptr) continue;
    const double value = multiple->is_number() ? multiple->to_number<double>() : 0;
    if (value >= 1 && value == std::floor(value) && value <= 1000) {
      divisor = std::lcm(divisor, static_cast<int64_t>(value));
    } else {
      RETURN_IF_ERROR(cannot(*schema, "multipleOf", multiple->is_number() ? fmt::format("{}", value) : "no number",
                             "a whole number from 1 to 1000"));
    }
  }
  is_whole = is_whole || divisor > 1;
  auto word = is_whole ? integers(range, kMaxDfaState) : numbers(range, kMaxDfaState);
  if (!word && !options_.is_strict) word = is_whole ? integers({}, kMaxDfaState) : numbers({}, kMaxDfaState);
  if (!word) return error(word.error().code, "{}: {}", path_of(*plain.front()), word.error().message);
  if (divisor > 1) {
    ASSIGN_OR_RETURN(const Dfa multiples, multiples_of(divisor, kMaxDfaState));
    ASSIGN_OR_RETURN(word, intersection(*word, multiples, kMaxDfaState));
  }
  return builder_.add_word(*std::move(word));
}

Result<NodeId> SchemaCompiler::array_node(const Plain& plain) {
  Node node{Node::Kind::kArray};
  ASSIGN_OR_RETURN(const Lengths length, lengths(plain, "minItems", "maxItems"));
  node.least = length.least;
  node.most = length.most;
  std::vector<std::pair<const json::array*, const json::value*>> items;  // of each schema: its first ones, the others
  size_t n_first = 0;
  for (const json::object* schema : plain) {
    const json::value* first = find(*schema, "prefixItems");
    const json::value* rest = find(*schema, "items");
    std::string_view first_name = "prefixItems", rest_name = "items";
    if (rest != nullptr && rest->is_array()) {
      if (!is_draft7_) RETURN_IF_ERROR(cannot(*schema, "items", "an array", "a schema, or prefixItems"));
      first = rest;
      first_name = "items";
      rest_name = "additionalItems";
      rest = find(*schema, rest_name);
    }
    if (first != nullptr && !first->is_array()) {
      RETURN_IF_ERROR(cannot(*schema, "prefixItems", "no array", "an array of schemas"));
      first = nullptr;
    }
    const json::array* list = first == nullptr ? nullptr : &first->get_array();
    for (size_t i = 0; list != nullptr && i < list->size(); ++i)
      part(*schema, first_name, (*list)[i], std::to_string(i));
    if (rest != nullptr) part(*schema, rest_name, *rest);
    items.emplace_back(list, rest);
    n_first = std::max(n_first, list == nullptr ? 0 : list->size());
    const json::value* unique = find(*schema, "uniqueItems");
    if (unique != nullptr && unique->is_bool() && unique->get_bool() && length.most > 1)
      RETURN_IF_ERROR(cannot(*schema, "uniqueItems", "true", "false: it cannot be enforced"));
  }
  if (n_first > kMaxKey) return error(Code::kLimit, "prefixItems: {}, want at most {}", n_first, kMaxKey);
  for (size_t i = 0; i <= n_first; ++i) {
    Schemas schemas;
    for (const auto& [first, rest] : items) {
      const bool is_first = first != nullptr && i < first->size();
      if (is_first) schemas.push_back(&(*first)[i]);
      if (!is_first && rest != nullptr) schemas.push_back(rest);
    }
    ASSIGN_OR_RETURN(const NodeId item, node_of(std::move(schemas)));
    if (i < n_first) node.parts.push_back(item);
    if (i == n_first) node.rest = item;
  }
  return builder_.add(std::move(node));
}

}  // namespace tercet::grammar
