#include "server/fields.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/api_error.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

std::string message_of(const Error& error) { return error.message; }

boost::json::object parse(const char* text) {
  auto body = parse_body(text);
  EXPECT_TRUE(body) << body.error().message;
  return body ? *body : boost::json::object();
}

TEST(ParseBody, TakesAnObjectOfUtf8WithinItsDepth) {
  EXPECT_TRUE(parse_body(R"({"a": [1, {"b": "\u00e9"}]})"));
  for (const std::string_view bad :
       {"", "{", "[]", "1", "{}x", "{\"a\": nan}", "{\"a\": \"\xff\"}", "{\"a\": \"\x01\"}"}) {
    const auto body = parse_body(bad);
    ASSERT_FALSE(body) << bad;
    EXPECT_EQ(body.error().code, Code::kInvalidArgument);
  }
  const auto nested = [](size_t n) { return "{\"a\":" + std::string(n, '[') + std::string(n, ']') + "}"; };
  EXPECT_TRUE(parse_body(nested(kMaxJsonDepth - 1)));
  EXPECT_FALSE(parse_body(nested(kMaxJsonDepth)));
  EXPECT_FALSE(parse_body(nested(1'000'000)));
}

TEST(Fields, NullIsAbsentAndTypesAreChecked) {
  const auto object = parse(R"({"n": null, "b": true, "i": 3, "f": 2.0, "h": 2.5, "s": "x", "o": {"i": "y"}, "a": [1],
                                "big": 18446744073709551615, "huge": 1e300})");
  const Fields fields(object);
  EXPECT_FALSE(fields.has("n"));
  EXPECT_FALSE(fields.has("absent"));
  EXPECT_EQ(*fields.boolean("n"), std::nullopt);
  EXPECT_EQ(*fields.boolean("b"), true);
  EXPECT_EQ(*fields.integer("i", 0, 9), 3);
  EXPECT_EQ(*fields.integer("f", 0, 9), 2);
  EXPECT_EQ(*fields.number("h", 0, 9), 2.5F);
  EXPECT_EQ(*fields.text("s"), "x");
  EXPECT_EQ(*fields.array("n"), nullptr);
  EXPECT_EQ((*fields.array("a"))->size(), 1u);
  EXPECT_EQ(message_of(fields.boolean("i").error()), "i: a number, want a boolean");
  EXPECT_EQ(message_of(fields.integer("h", 0, 9).error()), "h: 2.5E0, want a whole number, 0 to 9");
  EXPECT_EQ(message_of(fields.integer("i", 4, 9).error()), "i: 3, want a whole number, 4 to 9");
  EXPECT_FALSE(fields.integer("big", 0, INT64_MAX));
  EXPECT_FALSE(fields.integer("huge", 0, INT64_MAX));
  EXPECT_EQ(message_of(fields.number("s", 0, 1).error()), "s: a string, want a number, 0 to 1");
  EXPECT_FALSE(fields.number("huge", 0, 1));
  EXPECT_EQ(message_of(fields.object("a").error()), "a: an array, want an object");
  const Fields inside(**fields.object("o"), "o");
  EXPECT_EQ(message_of(inside.integer("i", 0, 1).error()), "o.i: a string, want a whole number, 0 to 1");
}

TEST(Fields, WholeNumbersHoweverTheyAreWritten) {
  const json::array values = json::parse("[3, 3.0, 0.3e1, -2.0, 3.5, 1e300, 18446744073709551615, \"3\"]").as_array();
  for (const size_t i : {0, 1, 2}) EXPECT_EQ(whole_number(values[i]), 3) << i;
  EXPECT_EQ(whole_number(values[3]), -2);
  for (const size_t i : {4, 5, 6, 7}) EXPECT_EQ(whole_number(values[i]), std::nullopt) << i;
  EXPECT_EQ(json::serialize(json::value(shortest(0.8F))), "8E-1");
}

TEST(ApiError, ParamIsThePathInFront) {
  EXPECT_EQ(ApiError(Error{Code::kInvalidArgument, "messages[0].content: a number, want a string", ""}).param,
            "messages[0].content");
  EXPECT_EQ(ApiError(Error{Code::kInvalidArgument, "the body is no JSON: x", ""}).param, "");
  EXPECT_EQ(ApiError(Error{Code::kInvalidArgument, "no colon", ""}).param, "");
  EXPECT_EQ(ApiError(Error{Code::kLimit, "limit: x", ""}).status, 400);
  EXPECT_EQ(ApiError(Error{Code::kDevice, "gpu: lost", ""}).status, 500);
}

}  // namespace
}  // namespace tercet::server
