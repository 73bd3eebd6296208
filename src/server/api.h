// Owns the routes: which handler answers which path, and what needs no engine.
#pragma once

#include <string_view>

#include "server/http.h"
#include "server/job.h"
#include "server/served_model.h"

namespace tercet::server {

enum class Route {
  kHealth,
  kMetrics,
  kModels,
  kProps,
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
  std::string_view path;
  std::string_view method;
};

// Errors: 404, 405. `/v1/models/NAME` is a path as well.
Api<RouteInfo> find_route(std::string_view method, std::string_view path);

// All but /health and /metrics.
Api<Reply> answer(Route route, const HttpRequest& request, const ServedModel& model);

}  // namespace tercet::server
