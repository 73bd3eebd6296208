#include "server/http.h"

#include <boost/json.hpp>

#include "base/text.h"

namespace tercet::server {
namespace {

namespace json = boost::json;

std::string_view openai_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 504: return "timeout_error";
    case 529: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(valid_utf8(text));
}

}  // namespace

Dialect dialect_of(std::string_view path) {
  return path.starts_with("/v1/messages") ? Dialect::kAnthropic : Dialect::kOpenAi;
}

std::string error_body(const ApiError& error, Dialect dialect, std::string_view request_id) {
  if (dialect == Dialect::kAnthropic)
    return json::serialize(
        json::object{{"type", "error"},
                     {"error", {{"type", anthropic_type(error.status)}, {"message", valid_utf8(error.message)}}},
                     {"request_id", request_id}});
  return json::serialize(json::object{{"error",
                                       {{"message", valid_utf8(error.message)},
                                        {"type", openai_type(error.status)},
                                        {"param", text_or_null(error.param)},
                                        {"code", text_or_null(error.code)}}}});
}

HttpResponse error_response(const ApiError& given, Dialect dialect, std::string_view request_id) {
  ApiError error = given;
  // Anthropic's clients know a full house by another number.
  if (dialect == Dialect::kAnthropic && error.status == 429) error.status = 529;
  HttpResponse out;
  out.status = error.status;
  out.body = error_body(error, dialect, request_id);
  out.closes = error.closes;
  if (error.retry_after_s > 0) out.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (!error.allow.empty()) out.headers.emplace_back("Allow", error.allow);
  if (error.status == 401) out.headers.emplace_back("WWW-Authenticate", "Bearer");
  return out;
}

}  // namespace tercet::server
