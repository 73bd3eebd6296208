// Owns what is made of a request's header, as Beast has read it, and of a request that could not be read.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/api_error.h"
#include "server/http.h"
#include "server/server.h"

namespace tercet::server {

using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

// The request without its body. A client's own X-Request-Id is taken over if it can do no harm in a log.
HttpRequest describe(const Parser& parser);

// Refuses what Beast lets through and nobody here means: no Host or two, two lengths, other codings than chunked.
Api<void> check_form(const Parser& parser);

// Whether a field goes on in another line, which proxies cut as they like. Beast takes it for a space.
bool has_folded_line(std::string_view header);
ApiError folded_line();

// Whether the other side has gone, or was too slow for too long: the connection ends without a word.
bool is_nobody(const boost::system::error_code& failed);

// 400, 413 or 431; the connection ends after it.
ApiError reading_failed(const boost::system::error_code& failed, const ServerOptions& options);

}  // namespace tercet::server
