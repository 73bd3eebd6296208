// The interpreter against jinja2: every case that tests/oracles/chat.py wrote.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "chat/chat_template.h"

namespace tercet::chat {
namespace {

std::string read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

boost::json::array load_cases(const std::string& name) {
  boost::json::parse_options options;
  options.max_depth = 64;
  const std::string path = std::string(TERCET_ORACLE_DIR) + "/chat/" + name;
  boost::system::error_code code;
  boost::json::value value = boost::json::parse(read_file(path), code, {}, options);
  EXPECT_FALSE(code) << path << ": " << code.message();
  return code ? boost::json::array() : value.as_array();
}

// {"__float__": "0.1"} back to the float that it stands for.
void restore_floats(boost::json::value& value) {
  if (auto* array = value.if_array()) {
    for (auto& item : *array) restore_floats(item);
  } else if (auto* object = value.if_object()) {
    const auto* text = object->if_contains("__float__");
    if (text != nullptr) {
      value = std::strtod(text->as_string().c_str(), nullptr);
      return;
    }
    for (auto& entry : *object) restore_floats(entry.value());
  }
}

RenderOptions options_of_oracle() {
  RenderOptions options;
  std::tm now{};  // 2024-07-26 09:05:03, a Friday
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 3;
  now.tm_wday = 5;
  now.tm_yday = 207;
  options.now = now;
  return options;
}

Result<std::string> run(const std::string& source, const boost::json::object& context) {
  auto parsed = Template::parse(source, "t");
  if (!parsed) return tl::make_unexpected(parsed.error());
  return (*parsed)->render(context, options_of_oracle());
}

void compare(const std::string& source, const boost::json::value& one, size_t i) {
  boost::json::object context = one.at("context").as_object();
  boost::json::value wrapped = std::move(context);
  restore_floats(wrapped);
  const Result<std::string> got = run(source, wrapped.as_object());
  const boost::json::value& expect = one.at("expect");
  if (expect.is_null()) {
    EXPECT_FALSE(got.has_value()) << "case " << i << ": jinja2 raises, we render: " << *got
                                  << "\n  of: " << one.at("template");
    return;
  }
  ASSERT_TRUE(got.has_value()) << "case " << i << ": " << got.error().message << "\n  want: " << expect;
  EXPECT_EQ(*got, std::string(expect.as_string())) << "case " << i << ": " << one.at("template");
}

TEST(ChatOracle, ConversationsEqualJinja2) {
  const boost::json::array cases = load_cases("conversations.json");
  ASSERT_GE(cases.size(), 1200u);
  std::map<std::string, std::string> sources;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string name(cases[i].at("template").as_string());
    if (!sources.contains(name)) sources[name] = read_file(std::string(TERCET_SOURCE_DIR) + "/tests/data/chat/" + name);
    ASSERT_FALSE(sources[name].empty()) << name;
    compare(sources[name], cases[i], i);
  }
}

TEST(ChatOracle, SnippetsEqualJinja2) {
  const boost::json::array cases = load_cases("snippets.json");
  ASSERT_GE(cases.size(), 800u);
  for (size_t i = 0; i < cases.size(); ++i) compare(std::string(cases[i].at("template").as_string()), cases[i], i);
}

TEST(ChatOracle, GeneratedExpressionsEqualJinja2) {
  const boost::json::array cases = load_cases("generated.json");
  ASSERT_GE(cases.size(), 1500u);
  for (size_t i = 0; i < cases.size(); ++i) compare(std::string(cases[i].at("template").as_string()), cases[i], i);
}

}  // namespace
}  // namespace tercet::chat
