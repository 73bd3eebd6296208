// Owns the line that each request leaves on stderr. What was asked and answered is never in it.
#pragma once

#include <memory>
#include <string>

#include "server/server.h"

namespace spdlog {
class logger;  // NOLINT(readability-identifier-naming): of spdlog
}

namespace tercet::server {

struct AccessLine {
  std::string id, method, path, key_name, peer, traceparent;
  int status = 0;
  double ms = 0;
  int64_t n_byte = 0;    // of the answer's body
  bool is_gone = false;  // the client left before the end
};

void log_access(ServerOptions::Log form, const AccessLine& line);

}  // namespace tercet::server
