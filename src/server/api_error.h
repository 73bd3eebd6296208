// Owns what a request is refused with: an HTTP status and the words that the APIs' error objects carry.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/result.h"

namespace tercet::server {

struct ApiError {
  int status = 500;
  std::string message;
  std::string code = {};   // OpenAI's `code`, or empty
  std::string param = {};  // the field's path, or empty
  std::string allow = {};  // of a 405: the methods that the path has
  int retry_after_s = 0;   // 0: not said
  bool closes = false;     // the connection ends after it

  ApiError(int its_status, std::string its_message, std::string its_code = {}, std::string its_param = {})
      : status(its_status), message(std::move(its_message)), code(std::move(its_code)), param(std::move(its_param)) {}
  // A Result's error: the user's are 400, with the path that the message begins with as the param; ours are 500.
  ApiError(Error error);  // NOLINT: so that RETURN_IF_ERROR and ASSIGN_OR_RETURN pass errors on
};

template <typename T>
using Api = tl::expected<T, ApiError>;

[[nodiscard]] inline tl::unexpected<ApiError> refuse(int status, std::string message, std::string code = {},
                                                     std::string param = {}) {
  return tl::make_unexpected(ApiError(status, std::move(message), std::move(code), std::move(param)));
}

}  // namespace tercet::server
