#include "server/http_head.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <cctype>

#include "server/job.h"

namespace tercet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

ApiError closing(int status, std::string message, std::string code = {}) {
  ApiError out(status, std::move(message), std::move(code));
  out.closes = true;
  return out;
}

}  // namespace

HttpRequest describe(const Parser& parser) {
  const auto& given = parser.get();
  HttpRequest out;
  out.method = std::string(given.method_string());
  const std::string_view target(given.target().data(), given.target().size());
  out.path = std::string(target.substr(0, target.find('?')));
  for (const auto& field : given) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  // A client's own id is taken over if it can do no harm in a log.
  const std::string_view id = out.header("x-request-id");
  const bool is_plain = !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
  out.id = is_plain ? std::string(id) : new_id("req_");
  return out;
}

ApiError reading_failed(const error_code& failed, const ServerOptions& options) {
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow)
    return closing(431, fmt::format("header: more than {} bytes, want less", options.max_header_bytes),
                   "header_too_large");
  if (failed == http::error::body_limit)
    return closing(413, fmt::format("body: more than {} bytes, want less", options.max_body_bytes), "body_too_large");
  return closing(400, fmt::format("request: {}, want well-formed HTTP", failed.message()), "bad_request");
}

// What Beast lets through and nobody here means.
Api<void> check_form(const Parser& parser) {
  const auto& given = parser.get();
  if (given.version() != 11 && given.version() != 10)
    return tl::make_unexpected(closing(505, "version: neither HTTP/1.1 nor HTTP/1.0, want one of them"));
  if (given.version() == 11 && given.count(http::field::host) != 1)
    return tl::make_unexpected(closing(400, fmt::format("Host: {} of them, want one", given.count(http::field::host))));
  const auto length = given[http::field::content_length];
  if (given.count(http::field::content_length) > 1 || length.find(',') != length.npos)
    return tl::make_unexpected(closing(400, "Content-Length: more than one, want one"));
  const auto coding = given[http::field::transfer_encoding];
  if (!coding.empty() && !beast::iequals(coding, "chunked"))
    return tl::make_unexpected(closing(501, "Transfer-Encoding: not chunked alone, want that or none"));
  if (!coding.empty() && given.count(http::field::content_length) > 0)
    return tl::make_unexpected(closing(400, "Content-Length: given with Transfer-Encoding, want one of them"));
  return {};
}

ApiError folded_line() { return closing(400, "header: a line that is folded, want each field in one", "bad_request"); }

bool has_folded_line(std::string_view header) {
  return header.find("\n ") != header.npos || header.find("\n\t") != header.npos;
}

// A stream whose time is up has closed its socket: there is no way left to say so.
bool is_nobody(const error_code& failed) {
  return failed == http::error::end_of_stream || failed == beast::error::timeout || failed == asio::error::eof ||
         failed == asio::error::connection_reset || failed == asio::error::operation_aborted;
}

}  // namespace tercet::server
