// Owns the log: spdlog on stderr, never stdout (stdout carries results). Levels are spdlog's names.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

#include "base/result.h"

namespace tercet {

// Sends the default logger to stderr at `level` (trace, debug, info, warn, error, off).
// Errors: kInvalidArgument for an unknown level.
Status init_log(std::string_view level);

}  // namespace tercet
