#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

namespace tercet {

Status init_log(std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  // from_str answers `off` for what it does not know.
  if (parsed == spdlog::level::off && level != "off")
    return error(Code::kInvalidArgument, "--log-level: {}, want trace, debug, info, warn, error or off", level);
  auto logger = std::make_shared<spdlog::logger>("tercet", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("tercet: %l: %v");
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace tercet
