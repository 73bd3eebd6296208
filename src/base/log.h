// Owns the log: spdlog on stderr, never stdout (stdout carries results). Levels are spdlog's names.
#pragma once

#include <spdlog/spdlog.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace tercet {

// Sends the default logger to stderr at `level` (trace, debug, info, warn, error, off).
// Errors: kInvalidArgument for an unknown level.
Status init_log(std::string_view level);

// For a program that must not wait for whoever reads its stderr: while this lives, what is logged is written by a thread
// of its own, the default logger's lines too. Where the reader is too slow, or does not read at all, the oldest of the
// lines that wait are dropped. To be made and ended while nobody else logs.
class LogThread {
 public:
  LogThread();
  // Gives what still waits a second.
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  // Not to be used after this has ended.
  std::shared_ptr<spdlog::logger> make_logger(const char* name, const char* pattern);
  int64_t n_dropped() const;  // lines, since the beginning

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tercet
