#include "chat/messages.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace tercet::chat {
namespace {

namespace json = boost::json;

std::string normal(const char* text) {
  const auto out = normalise_messages(json::parse(text));
  return out ? json::serialize(*out) : "error: " + out.error().message;
}

std::string same(const char* text) { return json::serialize(json::parse(text)); }

TEST(NormaliseMessages, ContentIsAString) {
  EXPECT_EQ(normal(R"([{"role":"user","content":"a"}])"), same(R"([{"role":"user","content":"a"}])"));
  EXPECT_EQ(normal(R"([{"role":"user","content":null}])"), same(R"([{"role":"user","content":""}])"));
  EXPECT_EQ(normal(R"([{"role":"user"}])"), same(R"([{"role":"user","content":""}])"));
  EXPECT_EQ(normal(R"([{"role":"user","content":[]}])"), same(R"([{"role":"user","content":""}])"));
  EXPECT_EQ(normal(R"([{"role":"user","content":[{"type":"text","text":"a"},"b",{"text":"c"}]}])"),
            same(R"([{"role":"user","content":"a\nb\nc"}])"));
}

TEST(NormaliseMessages, RolesOfOtherNames) {
  EXPECT_EQ(
      normal(R"([{"role":"developer","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"c"}])"),
      same(R"([{"role":"system","content":"a\n\nb"},{"role":"user","content":"c"}])"));
  EXPECT_EQ(normal(R"([{"role":"user","content":"c"},{"role":"developer","content":"late"}])"),
            same(R"([{"role":"user","content":"c"},{"role":"system","content":"late"}])"));
  EXPECT_EQ(normal(R"([{"role":"function","name":"f","content":[{"type":"text","text":"r"}]}])"),
            same(R"([{"role":"tool","content":"r","name":"f"}])"));
}

TEST(NormaliseMessages, ArgumentsAreAnObject) {
  const auto arguments = [](const std::string& given) {
    const auto out =
        normalise_messages(json::parse(R"([{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
      "function":{"name":"f","arguments":)" +
                                       given + "}}]}]"));
    return out ? json::serialize((*out)[0].at("tool_calls").as_array()[0].at("function").at("arguments"))
               : out.error().message;
  };
  EXPECT_EQ(arguments(R"("{\"a\":1}")"), R"({"a":1})");
  EXPECT_EQ(arguments(R"({"a":1})"), R"({"a":1})");
  EXPECT_EQ(arguments("null"), "{}");
  EXPECT_EQ(arguments(R"("")"), "{}");
  EXPECT_EQ(arguments(R"("{\"a\":")"), R"({"input":"{\"a\":"})");
  EXPECT_EQ(arguments(R"("[1]")"), R"({"input":"[1]"})");
  EXPECT_EQ(arguments("[1]"), R"({"input":[1]})");
}

TEST(NormaliseMessages, ErrorsNameTheField) {
  EXPECT_EQ(normal("{}"), "error: messages: an object, want an array");
  EXPECT_EQ(normal("[]"), "error: messages: empty, want at least one message");
  EXPECT_EQ(normal("[1]"), "error: messages[0]: a number, want an object");
  EXPECT_EQ(normal(R"([{"role":"user","content":1}])"),
            "error: messages[0].content: a number, want a string or an array of parts");
  EXPECT_EQ(normal(R"([{"role":"user","content":"a"},{"role":"robot"}])"),
            "error: messages[1].role: robot, want system, developer, user, assistant or tool");
  EXPECT_EQ(normal(R"([{"content":"a"}])"), "error: messages[0].role: absent, want a string");
  EXPECT_EQ(normal(R"([{"role":"user","content":[{"type":"image_url"}]}])"),
            "error: messages[0].content[0].type: image_url, want text: the model takes nothing else");
  EXPECT_EQ(normal(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])"),
            "error: messages[0].tool_calls[0].function.name: absent, want a string");
}

TEST(NormaliseTools, WantsFunctionsWithNames) {
  const auto tools =
      normalise_tools(json::parse(R"([{"type":"function","function":{"name":"f","description":null}}])"));
  ASSERT_TRUE(tools) << tools.error().message;
  EXPECT_EQ(json::serialize(*tools),
            R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}])");
  const auto message = [](const char* text) {
    const auto out = normalise_tools(json::parse(text));
    return out ? "none" : out.error().message;
  };
  EXPECT_EQ(message(R"([{"type":"web"}])"), "tools[0].type: web, want function");
  EXPECT_EQ(message(R"([{"type":"function"}])"), "tools[0].function: absent, want an object");
  EXPECT_EQ(message(R"([{"function":{"name":1}}])"), "tools[0].function.name: a number, want a string");
  EXPECT_EQ(message(R"([{"function":{"name":"f","parameters":[]}}])"),
            "tools[0].function.parameters: an array, want an object");
}

TEST(RenderMessages, ALateSystemMessageMovesWhereTheTemplateWantsIt) {
  const auto parsed = Template::parse(
      "{%- for m in messages -%}{%- if m.role == 'system' and not loop.first -%}{{ raise_exception('late') }}{%- endif "
      "-%}"
      "[{{ m.role }}:{{ m.content }}]{%- endfor -%}",
      "test");
  ASSERT_TRUE(parsed) << parsed.error().message;
  Conversation conversation;
  conversation.messages =
      json::parse(R"([{"role":"user","content":"a"},{"role":"system","content":"b"},{"role":"system","content":"c"}])")
          .as_array();
  const auto text = render_messages(**parsed, conversation);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, "[system:b\n\nc][user:a]");
}

}  // namespace
}  // namespace tercet::chat
