// Owns the line that each request leaves on stderr. What was asked and answered is never in it. Nobody waits for it to be
// written (base/log.h).
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "server/server.h"

namespace tercet::server {

struct AccessLine {
  std::string id, method, path, key_name, peer, traceparent;
  int status = 0;
  double ms = 0;
  int64_t n_byte = 0;    // of the answer's body
  bool is_gone = false;  // the client left before the end
};

class AccessLog {
 public:
  explicit AccessLog(ServerOptions::Log form) : form_(form) {}
  void note(const AccessLine& line);  // any thread
  int64_t n_dropped() const { return thread_.n_dropped(); }

 private:
  const ServerOptions::Log form_;
  LogThread thread_;
  const std::shared_ptr<spdlog::logger> lines_ = thread_.make_logger("access", "%v");
};

}  // namespace tercet::server
