#include "server/api.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "server/assets.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

// "GET /health" of each route that is served, and of each that the description has.
std::set<std::string> served() {
  std::set<std::string> out;
  for (const RouteInfo& route : routes()) out.insert(fmt::format("{} {}", route.method, route.path));
  return out;
}

std::set<std::string> described(const json::object& document) {
  std::set<std::string> out;
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : methods.as_object()) {
      std::string name(method);
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      out.insert(fmt::format("{} {}", name, std::string_view(path)));
    }
  }
  return out;
}

TEST(Description, HasTheRoutesThatAreServedAndNoOthers) {
  const json::object document = json::parse(asset("openapi.json")).as_object();
  EXPECT_EQ(described(document), served());
}

TEST(Description, SaysOfEachRouteWhetherItWantsAKey) {
  const json::object document = json::parse(asset("openapi.json")).as_object();
  for (const RouteInfo& route : routes()) {
    const json::object& operation =
        document.at("paths").at(route.path).at(route.method == "GET" ? "get" : "post").as_object();
    const bool is_anybodys = route.is_open() || route.route == Route::kHealth;
    EXPECT_EQ(operation.contains("security"), is_anybodys) << route.path;
    EXPECT_EQ(operation.at("responses").as_object().contains("401"), !is_anybodys) << route.path;
  }
}

TEST(Routes, APathWithAName) {
  EXPECT_EQ(find_route("GET", "/v1/models/a/b")->path, "/v1/models/{model}");
  EXPECT_EQ(find_route("GET", "/v1/models")->path, "/v1/models");
  EXPECT_EQ(find_route("GET", "/v1/models/").error().status, 404);
  EXPECT_EQ(find_route("POST", "/v1/models/a").error().status, 405);
  EXPECT_EQ(find_route("POST", "/v1/models/a").error().allow, "GET, HEAD");
  EXPECT_EQ(find_route("GET", "/v1/model").error().status, 404);
}

}  // namespace
}  // namespace tercet::server
