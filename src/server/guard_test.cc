#include "server/guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace tercet::server {
namespace {

HttpRequest request_with(Headers headers) {
  HttpRequest out;
  out.headers = std::move(headers);
  return out;
}

int status_of(const Guard& guard, Headers headers) {
  const auto checked = guard.check(request_with(std::move(headers)));
  return checked ? 200 : checked.error().status;
}

std::unique_ptr<Guard> guard_of(GuardOptions options) {
  auto guard = Guard::make(std::move(options));
  EXPECT_TRUE(guard) << guard.error().message;
  return guard ? *std::move(guard) : nullptr;
}

TEST(Guard, HostsThatAStrangersNameCannotMean) {
  const auto guard = guard_of({.hosts = {"*.lan", "box"}});
  for (const char* host : {"localhost", "LocalHost:80", "127.0.0.1:8080", "[::1]:80", "192.168.0.7", "box", "a.lan:1"})
    EXPECT_EQ(status_of(*guard, {{"host", host}}), 200) << host;
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "boxer", "lan"})
    EXPECT_EQ(status_of(*guard, {{"host", host}}), 403) << host;
  const auto refused = guard->check(request_with({{"host", "evil.example"}}));
  EXPECT_NE(refused.error().message.find("--allow-host"), std::string::npos);
}

TEST(Guard, OriginsAreTheServersOwnOrAllowed) {
  const auto guard = guard_of({.origins = {"app://*", "https://*.good.example"}});
  const auto status = [&](const char* origin) {
    return status_of(*guard, {{"host", "localhost:8080"}, {"origin", origin}});
  };
  for (const char* origin :
       {"http://localhost:3000", "https://localhost", "app://obsidian.md", "https://a.good.example"})
    EXPECT_EQ(status(origin), 200) << origin;
  for (const char* origin : {"null", "http://evil.example", "http://localhost.evil.example",
                             "https://good.example.evil", "app:/x", "ftp://localhost"})
    EXPECT_EQ(status(origin), 403) << origin;
  const auto refused = guard->check(request_with({{"host", "localhost"}, {"origin", "null"}}));
  EXPECT_NE(refused.error().message.find("--cors-origin"), std::string::npos);
  EXPECT_TRUE(guard->cors_headers(request_with({{"host", "localhost"}, {"origin", "http://evil.example"}})).empty());
  EXPECT_FALSE(guard->cors_headers(request_with({{"host", "localhost"}, {"origin", "app://x"}})).empty());
}

TEST(Guard, KeysInEitherHeader) {
  const auto guard = guard_of({.keys = {{"ann", "key-of-ann"}, {"bob", "key-of-bob"}}});
  const auto name = [&](Headers headers) {
    const auto checked = guard->check(request_with(std::move(headers)));
    return checked ? *checked : std::to_string(checked.error().status);
  };
  EXPECT_EQ(name({{"authorization", "Bearer key-of-ann"}}), "ann");
  EXPECT_EQ(name({{"authorization", "bearer  key-of-bob "}}), "bob");
  EXPECT_EQ(name({{"x-api-key", "key-of-bob"}}), "bob");
  for (const char* wrong : {"", "key-of-an", "key-of-annn", "key-of-annkey-of-ann", "KEY-OF-ANN", "ann"})
    EXPECT_EQ(name({{"x-api-key", wrong}}), "401") << wrong;
  EXPECT_EQ(name({}), "401");
  EXPECT_EQ(name({{"authorization", "Basic key-of-ann"}}), "401");
}

TEST(Guard, TheKeyFileIsReadAgain) {
  const std::string path = testing::TempDir() + "guard_keys_" + std::to_string(::getpid());
  const auto write = [&](const char* text) { std::ofstream(path) << text; };
  write("# keys\n ann : one \n\nbob:two:three\n");
  const auto guard = guard_of({.key_file = path});
  EXPECT_EQ(status_of(*guard, {{"x-api-key", "one"}}), 200);
  EXPECT_EQ(status_of(*guard, {{"x-api-key", "two:three"}}), 200);
  write("ann:four\n");
  ASSERT_TRUE(guard->reload());
  EXPECT_EQ(status_of(*guard, {{"x-api-key", "one"}}), 401);
  EXPECT_EQ(status_of(*guard, {{"x-api-key", "four"}}), 200);
  write("ann\n");
  EXPECT_FALSE(guard->reload());
  EXPECT_EQ(status_of(*guard, {{"x-api-key", "four"}}), 200) << "the old ones stay in force";
  write("# none\n");
  EXPECT_FALSE(guard->reload());
  std::remove(path.c_str());
  EXPECT_EQ(guard->reload().error().code, Code::kNotFound);
}

TEST(Guard, Wildcards) {
  EXPECT_TRUE(matches("anything", "*"));
  EXPECT_TRUE(matches("", "*"));
  EXPECT_TRUE(matches("abcabd", "*abd"));
  EXPECT_FALSE(matches("abcabd", "*abc"));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("aXbXc", "a*b*c"));
}

}  // namespace
}  // namespace tercet::server
