#include "grammar/tool_calls.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <vector>

#include "chat/call_values.h"
#include "grammar/nfa.h"
#include "grammar/schema.h"
#include "grammar/texts.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

constexpr std::string_view kValueEnd = "\n</parameter>\n";

// What may stand between < and > in a call.
bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= 256 && name.find_first_of("<>\n\r\"'") == std::string_view::npos &&
         name.front() != ' ' && name.back() != ' ' && name.front() != '\t' && name.back() != '\t';
}

const json::object* object_at(const json::object& parent, std::string_view name) {
  const json::value* value = parent.if_contains(name);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

class ToolCalls {
 public:
  ToolCalls(GrammarBuilder& builder, const ToolCallOptions& options, bool in_detail)
      : builder_(builder), options_(options), in_detail_(in_detail) {}

  Result<NodeId> add(const json::array& tools) {
    Node choice{Node::Kind::kChoice};
    for (const json::value& tool : tools) {
      const json::object& function = tool.at("function").as_object();
      const std::string_view name = function.at("name").as_string();
      if (!options_.name.empty() && name != options_.name) continue;
      if (options_.is_xml && !is_plain(name)) continue;
      const json::value& parameters = function.at("parameters");
      ASSIGN_OR_RETURN(Key key, options_.is_xml ? xml_key(name, parameters) : json_key(name, parameters));
      const bool is_known =
          std::any_of(choice.keys.begin(), choice.keys.end(), [&](const Key& one) { return one.text == key.text; });
      if (!is_known) choice.keys.push_back(std::move(key));
    }
    if (choice.keys.empty()) return error(Code::kInvalidArgument, "no tool that could be called, want one");
    const std::string begin = options_.is_xml ? "<tool_call>\n<function=" : "<tool_call>\n{\"name\": \"";
    ASSIGN_OR_RETURN(const NodeId head, builder_.add_text(begin));
    ASSIGN_OR_RETURN(const NodeId body, builder_.add(std::move(choice)));
    ASSIGN_OR_RETURN(const NodeId tail, builder_.add_text(options_.is_xml ? "\n</tool_call>" : "}\n</tool_call>"));
    ASSIGN_OR_RETURN(const NodeId call, sequence({head, body, tail}));
    if (!options_.is_parallel) return call;
    // One, or one and more.
    ASSIGN_OR_RETURN(const NodeId out, builder_.reserve());
    ASSIGN_OR_RETURN(const NodeId line, builder_.add_text("\n"));
    ASSIGN_OR_RETURN(const NodeId several, sequence({call, line, out}));
    Node either{Node::Kind::kEither};
    either.parts = {call, several};
    builder_.set(out, std::move(either));
    return out;
  }

 private:
  Result<NodeId> sequence(std::vector<NodeId> parts) {
    Node out{Node::Kind::kSequence};
    out.parts = std::move(parts);
    return builder_.add(std::move(out));
  }

  Result<Key> json_key(std::string_view name, const json::value& parameters) {
    Key out{fmt::format("{}\", \"arguments\": ", canonical_text(name))};
    if (in_detail_) {
      // Whatever the schema says, arguments are an object.
      const json::value whole = {{"allOf", {parameters, {{"type", "object"}}}}};
      ASSIGN_OR_RETURN(out.value, add_schema(builder_, whole, kLoose, &parameters));
    } else {
      ASSIGN_OR_RETURN(out.value, any_object());
    }
    return out;
  }

  Result<NodeId> any_object() {
    if (any_object_ == kNone) {
      ASSIGN_OR_RETURN(any_object_, add_any_object(builder_));
    }
    return any_object_;
  }

  Result<NodeId> text_value() {
    if (text_value_ == kNone) {
      ASSIGN_OR_RETURN(text_value_, add_parameter_text(builder_));
    }
    return text_value_;
  }

  Result<Key> xml_key(std::string_view name, const json::value& parameters) {
    Key out{fmt::format("{}>\n", name)};
    Node fields{Node::Kind::kFields};
    fields.end = "</function>";
    const json::object* properties = object_at(parameters.as_object(), "properties");
    const json::value* required = parameters.as_object().if_contains("required");
    const auto is_required = [&](std::string_view key) {
      if (required == nullptr || !required->is_array()) return false;
      return std::any_of(required->get_array().begin(), required->get_array().end(),
                         [&](const json::value& one) { return one.is_string() && one.get_string() == key; });
    };
    if (in_detail_ && properties != nullptr) {
      for (const auto& [key, schema] : *properties) {
        if (!is_plain(key) || fields.keys.size() >= kMaxKey) continue;
        Key field{fmt::format("<parameter={}>\n", std::string_view(key)), kNone, is_required(key)};
        ASSIGN_OR_RETURN(field.value, value_of(schema, parameters));
        fields.keys.push_back(std::move(field));
      }
    }
    if (fields.keys.empty()) {
      // Whatever the tool takes: nobody said.
      ASSIGN_OR_RETURN(const NodeId word, any_name());
      ASSIGN_OR_RETURN(const NodeId value, text_value());
      fields.others.push_back({word, value});
    }
    ASSIGN_OR_RETURN(out.value, builder_.add(std::move(fields)));
    return out;
  }

  Result<NodeId> any_name() {
    Nfa nfa;
    const auto letter = [&] { return nfa.utf8({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {'-', '-'}}); };
    ASSIGN_OR_RETURN(
        Dfa word,
        nfa.dfa(nfa.sequence({nfa.text("<parameter="), nfa.repeat(1, 64, letter), nfa.text(">\n")}), kMaxDfaState));
    return builder_.add_word(std::move(word));
  }

  // What AnswerParser takes as text may be any; what it takes as JSON is of the schema.
  Result<NodeId> value_of(const json::value& schema, const json::value& root) {
    if (!chat::may_be_string(&schema)) {
      ASSIGN_OR_RETURN(const NodeId value, add_schema(builder_, schema, kLoose, &root));
      ASSIGN_OR_RETURN(const NodeId end, builder_.add_text(kValueEnd));
      return sequence({value, end});
    }
    const json::value* all = schema.is_object() ? schema.get_object().if_contains("enum") : nullptr;
    if (all == nullptr || !all->is_array() || all->get_array().empty()) return text_value();
    Nfa nfa;
    std::vector<Nfa::Fragment> parts;
    for (const json::value& one : all->get_array()) {
      const std::string text = one.is_string() ? std::string(one.get_string()) : canonical_json(one);
      if (text.find("</") != std::string::npos) return text_value();
      parts.push_back(nfa.text(fmt::format("{}{}", text, kValueEnd)));
    }
    ASSIGN_OR_RETURN(Dfa word, nfa.dfa(nfa.either(parts), kMaxDfaState));
    return builder_.add_word(std::move(word));
  }

  inline static const SchemaOptions kLoose = {
      .path = "tools", .is_strict = false, .is_ordered = false, .is_closed = true};
  GrammarBuilder& builder_;
  const ToolCallOptions& options_;
  const bool in_detail_;
  NodeId any_object_ = kNone, text_value_ = kNone;
};

}  // namespace

Result<NodeId> add_tool_calls(GrammarBuilder& builder, const json::array& tools, const ToolCallOptions& options) {
  const GrammarBuilder before = builder;
  auto out = ToolCalls(builder, options, true).add(tools);
  // A schema that nothing satisfies, or that is too large, is no reason not to call its tool.
  if (out && builder.can_be_satisfied(*out)) return out;
  builder = before;
  return ToolCalls(builder, options, false).add(tools);
}

}  // namespace tercet::grammar
