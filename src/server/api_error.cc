#include "server/api_error.h"

#include <algorithm>
#include <cctype>

namespace tercet::server {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kCorrupt:
    case Code::kUnsupported:
    case Code::kLimit: return 400;
    case Code::kNotFound: return 404;
    case Code::kOutOfMemory:
    case Code::kCancelled: return 503;
    case Code::kIo:
    case Code::kDevice: return 500;
  }
  return 500;
}

// "messages[0].content: ..." names a field, "the limit max_steps: ..." does not.
std::string path_in_front(const std::string& message) {
  const std::string path = message.substr(0, std::min(message.find(": "), message.size()));
  const bool is_path = !path.empty() && path.size() < message.size() &&
                       std::all_of(
                           path.begin(), path.end(),
                           [](unsigned char c) {
                             return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '[' || c == ']' || c == '$';
                           });
  return is_path ? path : "";
}

}  // namespace

ApiError::ApiError(Error error) : status(status_of(error.code)), message(std::move(error.message)) {
  if (error.code == Code::kInvalidArgument) param = path_in_front(message);
}

}  // namespace tercet::server
