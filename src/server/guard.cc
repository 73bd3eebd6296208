#include "server/guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/text.h"

namespace tercet::server {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool same_letters(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_address(std::string_view host) {
  const std::string text(host);
  in6_addr address = {};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 || ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::string_view host_of_origin(std::string_view origin) {
  const size_t at = origin.find("://");
  return at == std::string_view::npos ? std::string_view() : host_without_port(origin.substr(at + 3));
}

// In a time that depends on the length of what was shown alone.
bool is_same_key(std::string_view shown, std::string_view key) {
  unsigned char differs = shown.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < shown.size(); ++i)
    differs = static_cast<unsigned char>(differs | (shown[i] ^ (key.empty() ? '\0' : key[i % key.size()])));
  return differs == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

Result<Keys> read_keys(const std::string& path) {
  std::ifstream file(path);
  if (!file) return error(Code::kNotFound, "--api-key-file: {}, want a file that can be read", printable(path));
  Keys out;
  std::string line;
  for (int n = 1; std::getline(file, line); ++n) {
    const std::string_view text = trim(line);
    if (text.empty() || text.front() == '#') continue;
    const size_t colon = text.find(':');
    const std::string_view name = colon == std::string_view::npos ? "" : trim(text.substr(0, colon));
    const std::string_view key = colon == std::string_view::npos ? "" : trim(text.substr(colon + 1));
    if (name.empty() || key.empty())
      return error(Code::kCorrupt, "{}: line {}: no key, want NAME:KEY", printable(path), n);
    out.emplace_back(name, key);
  }
  if (file.bad()) return error(Code::kIo, "{}: reading failed, want a file that can be read", printable(path));
  if (out.empty()) return error(Code::kCorrupt, "{}: 0 keys, want at least one line NAME:KEY", printable(path));
  return out;
}

std::string_view shown_key(const HttpRequest& request) {
  const std::string_view bearer = request.header("authorization");
  if (bearer.size() > 7 && same_letters(bearer.substr(0, 7), "bearer ")) return trim(bearer.substr(7));
  return trim(request.header("x-api-key"));
}

}  // namespace

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, std::min(host.rfind(':'), host.size()));
}

bool matches(std::string_view text, std::string_view pattern) {
  size_t t = 0;
  size_t p = 0;
  size_t star = std::string_view::npos;  // the last one in the pattern, and how much of the text it stands for
  size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && lower(pattern[p]) == lower(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Result<std::unique_ptr<Guard>> Guard::make(GuardOptions options) {
  std::unique_ptr<Guard> out(new Guard(std::move(options)));
  RETURN_IF_ERROR(out->reload());
  return out;
}

Status Guard::reload() {
  Keys keys = options_.keys;
  if (!options_.key_file.empty()) {
    ASSIGN_OR_RETURN(const Keys more, read_keys(options_.key_file));
    keys.insert(keys.end(), more.begin(), more.end());
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  return {};
}

bool Guard::has_keys() const {
  const std::lock_guard lock(mutex_);
  return !keys_.empty();
}

Api<std::string> Guard::check(const HttpRequest& request) const {
  RETURN_IF_ERROR(check_source(request));
  return check_key(request);
}

Api<void> Guard::check_source(const HttpRequest& request) const {
  RETURN_IF_ERROR(check_host(request));
  return check_origin(request);
}

// An address cannot be made to mean another machine, a name can.
Api<void> Guard::check_host(const HttpRequest& request) const {
  const std::string_view given = request.header("host");
  if (given.empty()) return {};  // HTTP/1.0; the parser's caller sees to 1.1
  const std::string_view host = host_without_port(given);
  if (is_address(host) || same_letters(host, "localhost")) return {};
  for (const std::string& allowed : options_.hosts)
    if (matches(host, allowed)) return {};
  return refuse(403,
                fmt::format("Host: {}, want localhost, an address, or a name allowed by --allow-host", printable(host)),
                "host_not_allowed");
}

Api<void> Guard::check_origin(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return {};
  const std::string_view host = host_of_origin(origin);
  const bool is_http = origin.starts_with("http://") || origin.starts_with("https://");
  if (is_http && !host.empty() && same_letters(host, host_without_port(request.header("host")))) return {};
  for (const std::string& allowed : options_.origins)
    if (matches(origin, allowed)) return {};
  return refuse(403,
                fmt::format("Origin: {}, want the server's own, or one allowed by --cors-origin", printable(origin)),
                "origin_not_allowed");
}

Api<std::string> Guard::check_key(const HttpRequest& request) const {
  const std::lock_guard lock(mutex_);
  if (keys_.empty()) return std::string();
  const std::string_view shown = shown_key(request);
  const std::string* name = nullptr;
  for (const auto& [its_name, key] : keys_)
    if (is_same_key(shown, key)) name = &its_name;
  if (name != nullptr) return *name;
  return refuse(401,
                shown.empty() ? "API key: none, want one as Authorization: Bearer KEY or x-api-key: KEY"
                              : "API key: not one of the server's, want one that it knows",
                "invalid_api_key");
}

Headers Guard::cors_headers(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !check_origin(request)) return {};
  return {{"Access-Control-Allow-Origin", std::string(origin)}, {"Vary", "Origin"}};
}

}  // namespace tercet::server
