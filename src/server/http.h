// Owns requests and answers as the APIs see them: no sockets, no parser.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/api_error.h"

namespace tercet::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // without the query, undecoded
  Headers headers;     // names in lower case
  std::string body;
  std::string id;  // of this request: X-Request-Id

  // The first of this name, which is in lower case; empty if there is none.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  Headers headers = {};
  bool closes = false;
};

// Which API's form errors have.
enum class Dialect { kOpenAi, kAnthropic };
Dialect dialect_of(std::string_view path);

// The error object of an API, as text.
std::string error_body(const ApiError& error, Dialect dialect, std::string_view request_id);
HttpResponse error_response(const ApiError& error, Dialect dialect, std::string_view request_id);

}  // namespace tercet::server
