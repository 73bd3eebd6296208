// Owns the routes: which handler answers which path, and what needs no engine.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "server/http.h"
#include "server/job.h"
#include "server/served_model.h"

namespace tercet::server {

enum class Route {
  kHealth,
  kMetrics,
  kAsset,  // texts that are a part of the program: the page, openapi.json
  kModels,
  kProps,
  kReceipt,
  kTokenize,
  kDetokenize,
  kApplyTemplate,
  kChatCompletions,
  kCompletions,
  kResponses,
  kMessages,
  kCountTokens,
};

struct RouteInfo {
  Route route;
  std::string_view path;  // `{...}` at its end stands for any text
  std::string_view method;

  // Served to who has no key: it says nothing of the model, nor of what others ask.
  bool is_open() const { return route == Route::kAsset; }
};

// All of them; openapi.json describes each.
std::span<const RouteInfo> routes();

// Errors: 404, 405.
Api<RouteInfo> find_route(std::string_view method, std::string_view path);

// What needs no model: nothing for the other routes.
std::optional<HttpResponse> answer_without_model(const RouteInfo& route);

// All but those, /health and /metrics.
Api<Reply> answer(Route route, const HttpRequest& request, const ServedModel& model);

}  // namespace tercet::server
