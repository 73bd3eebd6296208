#include "server/answer_form.h"

#include <boost/json.hpp>

#include "base/text.h"
#include "grammar/schema.h"
#include "grammar/texts.h"
#include "grammar/tool_calls.h"
#include "server/generation.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

Result<AnswerForm> read_form(const Fields& inside, const Fields& of_schema, std::string_view schema_name) {
  ASSIGN_OR_RETURN(const auto type, inside.text("type"));
  if (!type) return inside.wrong("type", "text, json_object or json_schema");
  AnswerForm out;
  if (*type == "text") return out;
  const bool is_object = *type == "json_object";
  if (!is_object && *type != "json_schema")
    return error(Code::kInvalidArgument, "{}: {}, want text, json_object or json_schema", inside.path("type"),
                 printable(*type));
  const Fields& holder = is_object ? inside : of_schema;
  const json::value* schema = holder.find(schema_name);
  if (schema == nullptr && !is_object) return holder.wrong(schema_name, "a JSON schema");
  if (schema == nullptr) {
    out.kind = AnswerForm::Kind::kObject;
    return out;
  }
  if (!schema->is_object() && !schema->is_bool()) return holder.wrong(schema_name, "a JSON schema");
  out.kind = AnswerForm::Kind::kSchema;
  out.schema = *schema;
  out.path = holder.path(schema_name);
  return out;
}

// What of the request the grammar depends on.
std::string key_of(const ChatInput& input, bool is_xml, bool has_calls, int thinking) {
  std::string out = fmt::format("{} {} {} {} {} {} ", static_cast<int>(input.form.kind), is_xml, has_calls,
                                static_cast<int>(input.tool_choice.kind), input.parallel_calls, thinking);
  if (has_calls) out += input.tool_choice.name + "\n" + json::serialize(input.tools);
  if (input.form.kind == AnswerForm::Kind::kSchema) out += input.form.path + "\n" + json::serialize(input.form.schema);
  return out;
}

Result<grammar::NodeId> add_form(grammar::GrammarBuilder& builder, const AnswerForm& form) {
  if (form.kind == AnswerForm::Kind::kObject) return grammar::add_any_object(builder);
  return grammar::add_schema(builder, form.schema, {.path = form.path, .is_closed = true});
}

}  // namespace

Result<AnswerForm> read_response_format(const Fields& fields) {
  ASSIGN_OR_RETURN(const json::object* format, fields.object("response_format"));
  if (format == nullptr) return AnswerForm{};
  const Fields inside(*format, fields.path("response_format"));
  ASSIGN_OR_RETURN(const json::object* schema, inside.object("json_schema"));
  const json::object nothing;
  return read_form(inside, Fields(schema == nullptr ? nothing : *schema, inside.path("json_schema")), "schema");
}

Result<AnswerForm> read_text_format(const Fields& fields) {
  ASSIGN_OR_RETURN(const json::object* text, fields.object("text"));
  if (text == nullptr) return AnswerForm{};
  const Fields of_text(*text, fields.path("text"));
  ASSIGN_OR_RETURN(const json::object* format, of_text.object("format"));
  if (format == nullptr) return AnswerForm{};
  const Fields inside(*format, of_text.path("format"));
  return read_form(inside, inside, "schema");
}

void Grammars::prepare(const tokenizer::Tokenizer& tokenizer, int n_vocab) {
  const std::lock_guard lock(mutex_);
  if (vocabulary_ == nullptr) vocabulary_ = grammar::Vocabulary::make(tokenizer, n_vocab);
}

Result<std::shared_ptr<const grammar::Grammar>> Grammars::get(const std::string& key, const Build& build) {
  std::shared_ptr<const grammar::Vocabulary> vocabulary;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = kept_.begin(); it != kept_.end(); ++it) {
      if (it->first != key) continue;
      kept_.splice(kept_.begin(), kept_, it);
      return kept_.front().second;
    }
    vocabulary = vocabulary_;
  }
  grammar::GrammarBuilder builder;
  ASSIGN_OR_RETURN(const grammar::NodeId root, build(builder));
  ASSIGN_OR_RETURN(auto made, builder.finish(root, std::move(vocabulary)));
  const std::lock_guard lock(mutex_);
  kept_.emplace_front(key, made);
  if (kept_.size() > kMaxKept) kept_.pop_back();
  return made;
}

Result<std::shared_ptr<const grammar::Grammar>> answer_grammar(const ChatInput& input, const ServedModel& model,
                                                               bool in_reasoning) {
  using Choice = ToolChoice::Kind;
  const bool must_call = input.tool_choice.kind == Choice::kRequired || input.tool_choice.kind == Choice::kNamed;
  const bool has_form = input.form.kind != AnswerForm::Kind::kText;
  if (!must_call && !has_form) return nullptr;
  const bool has_calls = must_call || (input.tool_choice.kind != Choice::kNone && !input.tools.empty());
  const bool is_xml = model.has_xml_calls();
  const json::value* thinks = input.template_arguments.if_contains("enable_thinking");
  const bool may_think = model.has_thinking() && !(thinks != nullptr && thinks->is_bool() && !thinks->get_bool());
  const int thinking = in_reasoning ? 2 : may_think ? 1 : 0;
  model.grammars->prepare(*model.tokenizer, model.n_vocab);
  const auto build = [&](grammar::GrammarBuilder& builder) -> Result<grammar::NodeId> {
    grammar::Node either;
    if (has_calls) {
      const grammar::ToolCallOptions options{is_xml, input.parallel_calls, input.tool_choice.name};
      ASSIGN_OR_RETURN(const grammar::NodeId calls, grammar::add_tool_calls(builder, input.tools, options));
      either.parts.push_back(calls);
    }
    if (!must_call) {
      ASSIGN_OR_RETURN(const grammar::NodeId form, add_form(builder, input.form));
      if (!builder.can_be_satisfied(form))
        return error(Code::kInvalidArgument,
                     "{}: no value satisfies it within {} levels, want one that can be satisfied", input.form.path,
                     grammar::kMaxDepth);
      either.parts.push_back(form);
    }
    ASSIGN_OR_RETURN(const grammar::NodeId answer, builder.add(std::move(either)));
    return thinking == 0 ? answer : grammar::add_after_thinking(builder, answer, in_reasoning);
  };
  auto out = model.grammars->get(key_of(input, is_xml, has_calls, thinking), build);
  // Whatever is wrong with a schema is the request's fault, and its path is the parameter.
  if (!out) out.error().code = Code::kInvalidArgument;
  return out;
}

}  // namespace tercet::server
