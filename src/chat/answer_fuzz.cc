// Any bytes as what a model says: it comes to the same whatever pieces it comes in, each call that was begun ends as a JSON
// object, and without tools every byte comes back. Bytes from 0x80 on stand for tags, where the input asks for it.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "chat/answer_parser.h"

namespace tercet::chat {
namespace {

namespace json = boost::json;

constexpr auto kTags = std::to_array<std::string_view>(
    {"<tool_call>", "</tool_call>", "<function=f>", "<function=", "</function>", "<parameter=a>",
     "<parameter=", "</parameter>", "<think>", "</think>", "{\"name\": \"f\", \"arguments\": {", "\"a\": ", "}}", "\n",
     "<function=g>", "\\u"});

struct Call {
  std::string name, arguments;
  bool is_ended = false;
  bool operator==(const Call&) const = default;
};
struct Whole {
  std::string text, reasoning;
  std::vector<Call> calls;
  bool operator==(const Whole&) const = default;
};

void take(Whole& whole, const std::vector<AnswerEvent>& events) {
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case AnswerEvent::Kind::kText: whole.text += event.text; break;
      case AnswerEvent::Kind::kReasoning: whole.reasoning += event.text; break;
      case AnswerEvent::Kind::kCallBegin:
        CHECK(event.call == std::ssize(whole.calls));
        whole.calls.push_back({event.text, ""});
        break;
      case AnswerEvent::Kind::kCallArguments:
        whole.calls.at(static_cast<size_t>(event.call)).arguments += event.text;
        break;
      case AnswerEvent::Kind::kCallEnd: whole.calls.at(static_cast<size_t>(event.call)).is_ended = true; break;
    }
  }
}

Whole parse(std::string_view text, size_t piece, const AnswerOptions& options) {
  AnswerParser parser(options);
  Whole whole;
  for (size_t at = 0; at < text.size(); at += piece) take(whole, parser.push(text.substr(at, piece)));
  take(whole, parser.finish());
  return whole;
}

}  // namespace
}  // namespace tercet::chat

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tercet::chat;
  static const json::array tools = json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {
      "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "object"},
      "d": {"type": ["boolean", "null"]}, "e": {"anyOf": [{"type": "array"}, {"type": "number"}]}}}}},
      {"type": "function", "function": {"name": "g"}}])")
                                       .as_array();
  if (size < 2) return 0;
  const uint8_t flags = data[0];
  std::string text;
  for (const uint8_t byte : std::basic_string_view(data, size).substr(2)) {
    if ((flags & 1) == 0 || byte < 0x80)
      text += static_cast<char>(byte);
    else
      text += kTags[(byte - 0x80) % kTags.size()];
  }
  AnswerOptions options;
  options.in_reasoning = (flags & 2) != 0;
  if ((flags & 4) != 0) options.max_calls = 1;
  if ((flags & 8) == 0) options.tools = tools;

  const Whole whole = parse(text, text.size() + 1, options);
  CHECK(parse(text, 1 + data[1] % 32, options) == whole);
  for (const Call& call : whole.calls) {
    CHECK(call.name == "f" || call.name == "g");
    CHECK(call.is_ended);
    boost::system::error_code failed;
    CHECK(json::parse(call.arguments, failed).is_object() && !failed);
  }
  if (options.tools.empty()) CHECK(whole.calls.empty());
  if (options.tools.empty() && !options.in_reasoning && text.find("<think>") == std::string::npos)
    CHECK(whole.text == text);
  return 0;
}
