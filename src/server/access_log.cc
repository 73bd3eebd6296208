#include "server/access_log.h"

#include <fmt/chrono.h>

#include <boost/json.hpp>

#include "base/text.h"

namespace tercet::server {
void AccessLog::note(const AccessLine& line) {
  if (form_ == ServerOptions::Log::kOff) return;
  const auto now = std::chrono::system_clock::now();
  const std::string time = fmt::format("{:%FT%TZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(now)));
  if (form_ == ServerOptions::Log::kText) {
    lines_->info("{} {} {} {} {} {} bytes {:.1f} ms{}{}{}", time, line.peer, line.id, line.status,
                 line.method + " " + printable(line.path), line.n_byte, line.ms,
                 line.key_name.empty() ? "" : " key " + printable(line.key_name),
                 line.traceparent.empty() ? "" : " traceparent " + printable(line.traceparent),
                 line.is_gone ? " (the client left)" : "");
  } else {
    boost::json::object out = {{"time", time},          {"peer", line.peer},     {"request_id", line.id},
                               {"status", line.status}, {"method", line.method}, {"path", valid_utf8(line.path)},
                               {"bytes", line.n_byte},  {"ms", line.ms},         {"client_gone", line.is_gone}};
    if (!line.key_name.empty()) out["key"] = valid_utf8(line.key_name);
    if (!line.traceparent.empty()) out["traceparent"] = valid_utf8(line.traceparent);
    lines_->info("{}", boost::json::serialize(out));
  }
}

}  // namespace tercet::server
