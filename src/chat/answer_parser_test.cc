#include "chat/answer_parser.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "chat/call_values.h"

namespace tercet::chat {
namespace {

namespace json = boost::json;
using Kind = AnswerEvent::Kind;

AnswerOptions with_tools() {
  AnswerOptions options;
  options.tools = json::parse(R"([
    {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {
      "path": {"type": "string"}, "line": {"type": "integer"}, "deep": {"type": "boolean"},
      "ratio": {"type": "number"}, "items": {"type": "array"}, "options": {"type": "object"},
      "maybe": {"type": ["string", "null"]}, "any": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}}},
    {"type": "function", "function": {"name": "noop", "parameters": {"type": "object"}}}])")
                      .as_array();
  return options;
}

struct Call {
  std::string name, arguments;
  bool ended = false;
  bool operator==(const Call&) const = default;
};
// What a client has in hand at the end.
struct Whole {
  std::string text, reasoning;
  std::vector<Call> calls;
  bool operator==(const Whole&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Whole& whole) {
  out << "text <" << whole.text << "> reasoning <" << whole.reasoning << ">";
  for (const Call& call : whole.calls)
    out << " call " << call.name << " " << call.arguments << (call.ended ? "" : " open");
  return out;
}

void take(Whole& whole, const std::vector<AnswerEvent>& events) {
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case Kind::kText: whole.text += event.text; break;
      case Kind::kReasoning: whole.reasoning += event.text; break;
      case Kind::kCallBegin:
        EXPECT_EQ(event.call, std::ssize(whole.calls));
        whole.calls.push_back({event.text, ""});
        break;
      case Kind::kCallArguments: whole.calls.at(static_cast<size_t>(event.call)).arguments += event.text; break;
      case Kind::kCallEnd: whole.calls.at(static_cast<size_t>(event.call)).ended = true; break;
    }
  }
}

Whole parse(const std::string& text, const AnswerOptions& options = with_tools()) {
  AnswerParser parser(options);
  Whole whole;
  take(whole, parser.push(text));
  take(whole, parser.finish());
  return whole;
}

// In pieces of 1 to `most` bytes.
Whole parse_in_pieces(const std::string& text, size_t most, std::mt19937& random,
                      const AnswerOptions& options = with_tools()) {
  AnswerParser parser(options);
  Whole whole;
  for (size_t at = 0; at < text.size();) {
    const size_t n = std::min(text.size() - at, 1 + random() % most);
    take(whole, parser.push(std::string_view(text).substr(at, n)));
    at += n;
  }
  take(whole, parser.finish());
  return whole;
}

json::object arguments_of(const Whole& whole, size_t call = 0) {
  EXPECT_LT(call, whole.calls.size());
  if (call >= whole.calls.size()) return {};
  EXPECT_TRUE(whole.calls[call].ended);
  boost::system::error_code failed;
  json::value value = json::parse(whole.calls[call].arguments, failed);
  EXPECT_FALSE(failed) << whole.calls[call].arguments;
  return failed || !value.is_object() ? json::object() : value.get_object();
}

constexpr const char* kXml =
    "I'll look.\n\n<tool_call>\n<function=read_file>\n<parameter=path>\nsrc/a \"b\".cc\n</parameter>\n"
    "<parameter=line>\n12\n</parameter>\n<parameter=deep>\nTrue\n</parameter>\n</function>\n</tool_call>";

TEST(AnswerParser, TextAloneIsText) {
  EXPECT_EQ(parse("  Hello\n\n", {}), (Whole{"  Hello\n\n", "", {}}));
  EXPECT_EQ(parse("a < b && c <tool> \n"), (Whole{"a < b && c <tool> \n", "", {}}));
  EXPECT_EQ(parse(""), Whole());
  EXPECT_EQ(parse(kXml, {}).text, kXml) << "no tools, no calls";
}

TEST(AnswerParser, XmlCallHasTypedValues) {
  const Whole whole = parse(kXml);
  EXPECT_EQ(whole.text, "I'll look.");
  ASSERT_EQ(whole.calls.size(), 1u);
  EXPECT_EQ(whole.calls[0].name, "read_file");
  EXPECT_EQ(json::value(arguments_of(whole)), json::parse(R"({"path": "src/a \"b\".cc", "line": 12, "deep": true})"));
}

TEST(AnswerParser, ValuesHoldCode) {
  const std::string code = "if (a < b && c > d) {\n\treturn \"</p>\\n\";\n}\n<parameters>\n</param\n</function> x";
  const Whole whole = parse("<tool_call>\n<function=read_file>\n<parameter=path>\n" + code +
                            "\n</parameter>\n</function>\n</tool_call>");
  EXPECT_EQ(arguments_of(whole).at("path").as_string(), code);
}

TEST(AnswerParser, BareFunctionAndOrphanEnd) {
  const Whole whole = parse("<function=noop>\n</function>\n</tool_call>");
  ASSERT_EQ(whole.calls.size(), 1u);
  EXPECT_EQ(whole.text, "");
  EXPECT_EQ(whole.calls[0].arguments, "{}");
}

TEST(AnswerParser, SeveralCallsOfBothForms) {
  const Whole whole = parse(
      "<tool_call>\n<function=noop>\n</function>\n</tool_call>\n<tool_call>\n"
      "{\"name\": \"read_file\", \"arguments\": {\"path\": \"}\\\"{\", \"line\": 3}}\n</tool_call>\n"
      "<function=read_file><parameter=path>x</parameter></function>");
  ASSERT_EQ(whole.calls.size(), 3u);
  EXPECT_EQ(arguments_of(whole, 1).at("path").as_string(), "}\"{");
  EXPECT_EQ(arguments_of(whole, 2).at("path").as_string(), "x");
  EXPECT_EQ(whole.text, "");
}

TEST(AnswerParser, TypesFollowTheSchema) {
  const auto value = [](const std::string& name, const std::string& text) {
    return arguments_of(
               parse("<function=read_file>\n<parameter=" + name + ">\n" + text + "\n</parameter>\n</function>"))
        .at(name);
  };
  EXPECT_EQ(value("path", "12"), json::value("12"));
  EXPECT_EQ(value("line", "12"), json::value(12));
  EXPECT_EQ(value("line", "twelve"), json::value("twelve"));
  EXPECT_EQ(value("line", "1.5"), json::value("1.5"));
  EXPECT_EQ(value("ratio", "-2.5e1"), json::value(-25.0));
  EXPECT_EQ(value("items", "[1, \"a\"]"), json::parse("[1, \"a\"]"));
  EXPECT_EQ(value("options", "{\"a\": null}"), json::parse("{\"a\": null}"));
  EXPECT_EQ(value("options", "{a: 1}"), json::value("{a: 1}"));
  EXPECT_EQ(value("maybe", "null"), json::value(nullptr));
  EXPECT_EQ(value("maybe", "nil"), json::value("nil"));
  EXPECT_EQ(value("any", "7"), json::value(7));
  EXPECT_EQ(value("any", "seven"), json::value("seven"));
  EXPECT_EQ(value("unknown", "{\"a\": 1}"), json::value("{\"a\": 1}"));
}

TEST(AnswerParser, WhatIsNoCallComesBackToTheByte) {
  for (const std::string text :
       {"so <tool_call> is a tag", " \n<tool_call>\n<function=unknown>\n</function>\n</tool_call>\n",
        "<tool_call>{\"name\": \"unknown\", \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": \"noop\"",
        "<function=noop", "x <function=\nnoop>", "<tool_call>\n{\"name\": \"noop\", \"arguments\": [}]}",
        "</tool_call> alone", "<tool_call>{\"name\": \"noop\", \"arguments\": \"no object\"}"}) {
    EXPECT_EQ(parse(text), (Whole{text, "", {}}));
  }
}

TEST(AnswerParser, ACallThatIsCutEndsAsAnObject) {
  const std::string all = kXml;
  for (size_t n = all.find("read_file>") + 10; n <= all.size(); ++n) {
    const Whole whole = parse(all.substr(0, n));
    ASSERT_EQ(whole.calls.size(), 1u) << n;
    (void)arguments_of(whole);
    EXPECT_EQ(whole.text, "I'll look.") << n;
  }
}

TEST(AnswerParser, AMissingEndOfAValueIsSeenByTheCallsEnd) {
  const Whole whole =
      parse("<tool_call>\n<function=read_file>\n<parameter=path>\nx.cc\n</function>\n</tool_call>\nDone");
  EXPECT_EQ(arguments_of(whole).at("path").as_string(), "x.cc");
  EXPECT_EQ(whole.text, "Done");
}

TEST(AnswerParser, ThinkingIsSplitOff) {
  EXPECT_EQ(parse("<think>\nHm.\n\nYes </thin\n</think>\n\nNo."), (Whole{"No.", "Hm.\n\nYes </thin", {}}));
  EXPECT_EQ(parse("\n <think>cut"), (Whole{"", "cut", {}}));
  EXPECT_EQ(parse("later <think>no</think>"), (Whole{"later <think>no</think>", "", {}}));
  AnswerOptions inside = with_tools();
  inside.in_reasoning = true;
  EXPECT_EQ(parse("\nHm.\n</think>\nNo.", inside), (Whole{"No.", "Hm.", {}}));
  EXPECT_EQ(parse("<think>\n\n</think>\n\n" + std::string(kXml)), parse(kXml));
}

TEST(AnswerParser, OneCallIsTheMost) {
  AnswerOptions options = with_tools();
  options.max_calls = 1;
  const std::string call = "<tool_call>\n<function=noop>\n</function>\n</tool_call>\n";
  AnswerParser parser(options);
  Whole whole;
  take(whole, parser.push(call + call + "text"));
  EXPECT_TRUE(parser.is_done());
  take(whole, parser.finish());
  EXPECT_EQ(whole.calls.size(), 1u);
  EXPECT_EQ(whole.text, "");
}

// Random texts made of what matters to the parser.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kParts = {"<tool_call>",
                                                  "</tool_call>",
                                                  "<function=read_file>",
                                                  "<function=noop>",
                                                  "<function=",
                                                  "</function>",
                                                  "<parameter=path>",
                                                  "<parameter=line>",
                                                  "<parameter=",
                                                  "</parameter>",
                                                  "\n",
                                                  "\n",
                                                  " ",
                                                  "x",
                                                  "\"",
                                                  "\\",
                                                  "<",
                                                  ">",
                                                  "</",
                                                  "12",
                                                  "true",
                                                  "{\"name\": \"noop\", \"arguments\": {\"a\": \"b\"}}",
                                                  "{",
                                                  "}",
                                                  "<think>",
                                                  "</think>",
                                                  "\r\n",
                                                  "\xc3\xa9",
                                                  "\x01",
                                                  "read_file"};
  std::string out;
  for (size_t n = random() % 24; n > 0; --n) out += kParts[random() % kParts.size()];
  return out;
}

void expect_sound(const Whole& whole, const std::string& text) {
  for (size_t i = 0; i < whole.calls.size(); ++i) (void)arguments_of(whole, i);
  EXPECT_FALSE(testing::Test::HasFailure()) << text;
}

TEST(AnswerParser, TheSameHoweverItIsCut) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    const std::string text = random_text(random);
    const Whole whole = parse(text);
    expect_sound(whole, text);
    for (const size_t most : {size_t{1}, size_t{3}, size_t{20}})
      ASSERT_EQ(parse_in_pieces(text, most, random), whole)
          << "seed " << seed << ", pieces of " << most << ": " << text;
  }
}

// A call with bytes changed, lost, doubled and swapped: never an error, and arguments that are JSON.
TEST(AnswerParser, MutatedCalls) {
  const std::string json_call =
      "<think>a</think><tool_call>\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"a\\\"b\", \"line\": "
      "1}}\n</tool_call>";
  int n_with_call = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    std::string text = seed % 2 == 0 ? kXml : json_call;
    for (size_t n = 1 + random() % 4; n > 0 && !text.empty(); --n) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random() % 128); break;
        case 1: text.erase(at, 1 + random() % 8); break;
        case 2: text.insert(at, text.substr(at, 1 + random() % 12)); break;
        default: std::swap(text[at], text[random() % text.size()]);
      }
    }
    const Whole whole = parse(text);
    expect_sound(whole, text);
    n_with_call += whole.calls.empty() ? 0 : 1;
    ASSERT_EQ(parse_in_pieces(text, 5, random), whole) << "seed " << seed << ": " << text;
  }
  EXPECT_GT(n_with_call, 500);
  EXPECT_LT(n_with_call, 1950);
}

TEST(CallValues, EscapesAreJson) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  EXPECT_EQ(json::parse("\"" + json_escaped(all) + "\"").as_string(), all);
}

}  // namespace
}  // namespace tercet::chat
