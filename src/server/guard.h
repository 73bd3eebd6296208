// Owns who may ask: keys, the Host that a request names (a page of a stranger's cannot reach the server by a name of its
// own), and the Origin of a browser's request.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http.h"

namespace tercet::server {

struct GuardOptions {
  std::vector<std::pair<std::string, std::string>> keys = {};  // name and key; none: everybody may ask
  std::string key_file = {};                                   // `name:key` a line, read again by reload()
  std::vector<std::string> hosts = {};                         // --allow-host, `*` as a wildcard
  std::vector<std::string> origins = {};                       // --cors-origin, `*` as a wildcard
};

class Guard {
 public:
  // Errors: those of reading the key file: kNotFound, kIo, kCorrupt (a line without a key).
  static Result<std::unique_ptr<Guard>> make(GuardOptions options);

  // Reads the key file again; what is wrong with it leaves the old keys in force.
  Status reload();
  bool has_keys() const;

  // The name of the key that was shown, or nothing if none is wanted. Errors: 400 (no Host), 401, 403.
  Api<std::string> check(const HttpRequest& request) const;
  // The same of what is shown to who has no key. Errors: 400, 403.
  Api<void> check_source(const HttpRequest& request) const;
  // What a browser has to see to read the answer; empty without an Origin that may.
  Headers cors_headers(const HttpRequest& request) const;

 private:
  explicit Guard(GuardOptions options) : options_(std::move(options)) {}
  Api<void> check_host(const HttpRequest& request) const;
  Api<void> check_origin(const HttpRequest& request) const;
  Api<std::string> check_key(const HttpRequest& request) const;

  const GuardOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> keys_;
};

// "name" of "name:80", "::1" of "[::1]:80".
std::string_view host_without_port(std::string_view host);
// `*` stands for any characters; letters of either case are the same.
bool matches(std::string_view text, std::string_view pattern);

}  // namespace tercet::server
