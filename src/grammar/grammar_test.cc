#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

#include "chat/answer_parser.h"
#include "grammar/matcher.h"
#include "grammar/schema.h"
#include "grammar/texts.h"
#include "grammar/tool_calls.h"
#include "tokenizer/test_vocab.h"

namespace tercet::grammar {
namespace {

namespace json = boost::json;

class GrammarTest : public testing::Test {
 protected:
  GrammarTest() : tokenizer_(*tokenizer::Tokenizer::from_spec(tokenizer::TestVocab().spec())) {
    vocabulary_ = Vocabulary::make(*tokenizer_, tokenizer_->vocab_size() + 7);
  }

  Result<std::shared_ptr<const Grammar>> of_schema(std::string_view schema, bool is_strict = true,
                                                   bool is_ordered = true) {
    GrammarBuilder builder;
    const json::value parsed = json::parse(schema);
    ASSIGN_OR_RETURN(const NodeId root, add_schema(builder, parsed, {"s", is_strict, is_ordered}));
    return builder.finish(root, vocabulary_);
  }

  // Whether the whole of the text is one of the schema's; as a beginning, whether it may yet become one.
  bool takes(std::string_view schema, std::string_view text, bool as_beginning = false, bool is_ordered = true) {
    const auto grammar = of_schema(schema, true, is_ordered);
    EXPECT_TRUE(grammar) << grammar.error().message;
    Matcher matcher(*grammar);
    return matcher.accept(text) && (as_beginning || matcher.may_end());
  }

  std::string refusal(std::string_view schema) {
    const auto grammar = of_schema(schema);
    return grammar ? "" : grammar.error().message;
  }

  // A random text of the grammar; nothing if it did not end.
  std::string sample(const std::shared_ptr<const Grammar>& grammar, uint32_t seed) {
    Matcher matcher(grammar);
    std::mt19937 random(seed);
    std::string text;
    for (int i = 0; i < 3000 && !matcher.is_over(); ++i) {
      const auto mask = matcher.mask();
      std::vector<TokenId> allowed;
      for (TokenId token = 0; static_cast<size_t>(token) < mask.size() * 32; ++token)
        if ((mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1U) != 0) allowed.push_back(token);
      EXPECT_FALSE(allowed.empty()) << text;
      if (allowed.empty()) break;
      const TokenId token = allowed[random() % allowed.size()];
      if (vocabulary_->bytes(token).empty()) break;  // an end token
      EXPECT_TRUE(matcher.accept(token)) << text;
      text += vocabulary_->bytes(token);
    }
    return matcher.may_end() ? text : "";
  }

  std::unique_ptr<tokenizer::Tokenizer> tokenizer_;
  std::shared_ptr<const Vocabulary> vocabulary_;
};

TEST_F(GrammarTest, AMaskIsTheTokensThatCanBeTaken) {
  for (const char* schema : {"true", R"({"type": "string", "maxLength": 3})", R"({"enum": ["aa", "aaaab", "abc", 12]})",
                             R"({"type": "object", "properties": {"aa": {"type": "number"}, "ab": true}})",
                             R"({"type": "array", "items": {"type": "string", "pattern": "^(ab|aa)*$"}})"}) {
    const auto grammar = of_schema(schema);
    ASSERT_TRUE(grammar) << grammar.error().message;
    for (uint32_t seed = 0; seed < 5; ++seed) {
      Matcher matcher(*grammar);
      std::mt19937 random(seed);
      std::string before;
      for (int i = 0; i < 40 && !matcher.is_over(); ++i) {
        const auto mask = matcher.mask();
        const std::vector<uint32_t> bits(mask.begin(), mask.end());
        std::vector<TokenId> allowed;
        for (TokenId token = 0; token < tokenizer_->vocab_size(); ++token) {
          Matcher copy(*grammar);
          ASSERT_TRUE(before.empty() || copy.accept(before));
          const bool ends = copy.may_end();
          const bool is_taken = copy.accept(token);
          const bool is_set = (bits[static_cast<size_t>(token) / 32] >> (token % 32) & 1U) != 0;
          const bool is_end = tokenizer_->is_control(token);
          ASSERT_EQ(is_set, is_end ? ends : is_taken) << schema << " after " << before << ": " << token;
          if (is_taken) allowed.push_back(token);
        }
        ASSERT_TRUE(!allowed.empty() || matcher.may_end());
        if (allowed.empty()) break;
        const TokenId token = allowed[random() % allowed.size()];
        ASSERT_TRUE(matcher.accept(token));
        before += vocabulary_->bytes(token);
      }
    }
  }
}

TEST_F(GrammarTest, Strings) {
  EXPECT_TRUE(takes(R"({"type": "string"})", R"("a\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00")"));
  for (const char* text : {R"("\x")", R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", "\"\n\"", "\"\xFF\"",
                           "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\x1f\""})
    EXPECT_FALSE(takes(R"({"type": "string"})", text, true)) << text;
  EXPECT_TRUE(takes(R"({"type": "string", "minLength": 2, "maxLength": 2})", R"("é\ud83d\ude00")"));
  EXPECT_FALSE(takes(R"({"type": "string", "minLength": 2, "maxLength": 2})", R"("é")"));
  EXPECT_FALSE(takes(R"({"type": "string", "minLength": 2, "maxLength": 2})", R"("abc)", true));
  EXPECT_TRUE(takes(R"({"type": "string", "pattern": "^a", "maxLength": 2})", R"("ab")"));
  EXPECT_FALSE(takes(R"({"type": "string", "pattern": "^a", "maxLength": 2})", R"("abc)", true));
}

TEST_F(GrammarTest, Objects) {
  const char* schema =
      R"({"type": "object", "properties": {"b": {"type": "null"}, "a": {"type": "null"}, "c": {"type": "null"}},
                           "required": ["a"], "additionalProperties": false})";
  EXPECT_TRUE(takes(schema, R"({"a":null})"));
  EXPECT_TRUE(takes(schema, R"({ "b": null, "a": null,"c":null })"));
  EXPECT_TRUE(takes(schema, "{\n    \"a\": null\n}"));
  EXPECT_FALSE(takes(schema, R"({"a":null,"b")", true)) << "not the schema's order";
  EXPECT_TRUE(takes(schema, R"({"a":null,"b":null})", false, false));
  EXPECT_FALSE(takes(schema, R"({"a":null,"a")", true, false)) << "twice";
  EXPECT_FALSE(takes(schema, R"({"c)", true)) << "a required one would be left out";
  EXPECT_FALSE(takes(schema, "{}", true));
  EXPECT_FALSE(takes(schema, R"({"d)", true));
  EXPECT_FALSE(takes(schema, R"({"a":null,})"));
  EXPECT_FALSE(takes(schema, "{     ", true));
  EXPECT_FALSE(takes(R"({"properties": {"a": {"type": "null"}}, "type": "object"})", R"({"\u0061")", true))
      << "another spelling of a name";
  EXPECT_TRUE(takes(R"({"properties": {"a": {"type": "null"}}, "type": "object"})", R"({"a":null,"ab":1})"));
}

TEST_F(GrammarTest, ReferencesAndCombinations) {
  const char* list =
      R"({"$defs": {"l": {"type": "object", "properties": {"n": {"anyOf": [{"$ref": "#/$defs/l"}, {"type": "null"}]}},
                         "required": ["n"], "additionalProperties": false}}, "$ref": "#/$defs/l"})";
  EXPECT_TRUE(takes(list, R"({"n":{"n":{"n":null}}})"));
  EXPECT_FALSE(takes(list, R"({"n":{}})"));
  EXPECT_TRUE(takes(R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]})", "4"));
  EXPECT_FALSE(takes(R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]})", "6"));
  EXPECT_TRUE(takes(R"({"oneOf": [{"type": "string"}, {"type": "null"}]})", "null"));
  EXPECT_TRUE(takes(R"({"type": ["string", "null"], "enum": ["a", null, 3]})", "null"));
  EXPECT_FALSE(takes(R"({"type": ["string", "null"], "enum": ["a", null, 3]})", "3"));
}

TEST_F(GrammarTest, NestingEndsWhereItIsTooDeep) {
  std::string text;
  for (uint32_t i = 0; i < kMaxDepth; ++i) text += '[';
  EXPECT_TRUE(takes(R"({"items": {"$ref": "#"}, "type": "array"})", text, true));
  EXPECT_FALSE(takes(R"({"items": {"$ref": "#"}, "type": "array"})", text + '[', true));
}

TEST_F(GrammarTest, RefusalsNameThePlace) {
  EXPECT_EQ(refusal(R"({"properties": {"a": {"items": {"not": {}}}}})").substr(0, 25), "s.properties.a.items.not:");
  EXPECT_EQ(refusal(R"({"$ref": "#/$defs/x"})").substr(0, 7), "s.$ref:");
  EXPECT_NE(refusal(R"({"$ref": "#"})"), "");
  EXPECT_NE(refusal("false"), "");
  EXPECT_NE(refusal(R"({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}})"), "");
  EXPECT_NE(refusal(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})"), "");
}

// What the parser makes of a call that the grammar allows is that call, with all that is required.
TEST_F(GrammarTest, CallsAreWhatTheParserReads) {
  const json::array tools = json::parse(R"([
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "required": ["s", "n"], "properties": {
      "s": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "maximum": 5}, "e": {"type": "string", "enum": ["aa", "ab"]},
      "o": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}, "u": {"type": "string", "not": {}}}}}},
    {"type": "function", "function": {"name": "free", "parameters": {"type": "object", "properties": {}}}}])")
                                .as_array();
  int n_call = 0;
  for (const bool is_xml : {true, false}) {
    GrammarBuilder builder;
    const auto root = add_tool_calls(builder, tools, {.is_xml = is_xml, .is_parallel = false, .name = ""});
    ASSERT_TRUE(root) << root.error().message;
    const auto grammar = builder.finish(*root, vocabulary_);
    ASSERT_TRUE(grammar) << grammar.error().message;
    for (uint32_t seed = 0; seed < 60; ++seed) {
      const std::string text = sample(*grammar, seed);
      if (text.empty()) continue;
      chat::AnswerParser parser({.tools = tools});
      std::string name, arguments, other;
      std::vector<chat::AnswerEvent> events = parser.push(text);
      for (chat::AnswerEvent& event : parser.finish()) events.push_back(std::move(event));
      for (const chat::AnswerEvent& event : events) {
        if (event.kind == chat::AnswerEvent::Kind::kCallBegin) name = event.text;
        if (event.kind == chat::AnswerEvent::Kind::kCallArguments) arguments += event.text;
        if (event.kind == chat::AnswerEvent::Kind::kText) other += event.text;
      }
      ASSERT_EQ(parser.n_call(), 1) << text;
      EXPECT_EQ(other, "") << text;
      const json::object parsed = json::parse(arguments).as_object();
      if (name == "f") {
        EXPECT_TRUE(parsed.at("s").is_string()) << text;
        EXPECT_LE(parsed.at("n").as_int64(), 5) << text;
      }
      ++n_call;
    }
  }
  EXPECT_GT(n_call, 30);
}

TEST_F(GrammarTest, ThoughtsMayComeFirst) {
  GrammarBuilder builder;
  const auto value = add_schema(builder, json::parse(R"({"const": 1})"), {"s"});
  ASSERT_TRUE(value);
  const auto either = add_after_thinking(builder, *value, false);
  ASSERT_TRUE(either);
  const auto grammar = builder.finish(*either, vocabulary_);
  ASSERT_TRUE(grammar);
  for (const char* text : {"1", "<think>\nhm {\n</think>\n\n1", "<think>\n</thi</think>1"}) {
    Matcher matcher(*grammar);
    EXPECT_TRUE(matcher.accept(text) && matcher.is_over()) << text;
  }
  EXPECT_FALSE(Matcher(*grammar).accept("<think>\n</think>x"));
}

}  // namespace
}  // namespace tercet::grammar
