#include "cli/console.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace tercet::cli {
namespace {

constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kCyan = "\x1b[36m";
constexpr std::string_view kFaint = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr int kErrorPatienceMs = 3000;

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// A line goes out in one write, so that lines of several threads do not mix.
void write_stderr(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace

Status write_stdout(std::string_view text) {
  if (write_all(STDOUT_FILENO, text)) return {};
  return error(Code::kIo, "stdout: {}, want all of the output written", std::strerror(errno));
}

Status write_json(const boost::json::value& value) { return write_stdout(boost::json::serialize(value) + "\n"); }

std::string json_text(std::string_view text) { return valid_utf8(text); }

boost::json::value json_number(double x) {
  return std::isfinite(x) ? boost::json::value(x) : boost::json::value(nullptr);
}

void write_last_words(std::string_view text) {
  // The program ends with its exit code also where stderr is full and nobody reads it.
  pollfd stderr_now = {STDERR_FILENO, POLLOUT, 0};
  if (::poll(&stderr_now, 1, kErrorPatienceMs) != 0) write_stderr(text);
}

void print_error(const Error& error, bool json, bool color) {
  const std::string_view red = color ? kRed : "";
  const std::string_view cyan = color ? kCyan : "";
  const std::string_view plain = color ? kPlain : "";
  std::string text = fmt::format("{}tercet: error:{} {}\n", red, plain, error.message);
  if (!error.hint.empty()) text += fmt::format("{}hint:{} {}\n", cyan, plain, error.hint);
  write_last_words(text);
  if (!json) return;
  boost::json::object what = {{"code", code_name(error.code)}, {"message", json_text(error.message)}};
  if (!error.hint.empty()) what["hint"] = json_text(error.hint);
  // If stdout is what failed, then stderr has said so.
  (void)write_json(boost::json::object{{"error", what}});
}

bool use_color(std::string_view choice) {
  if (choice == "auto") return stderr_is_terminal() && !is_set("NO_COLOR");
  return choice == "always";
}

std::string format_count(double n) {
  constexpr std::array kUnits = {"", " K", " M", " B", " T"};
  size_t unit = 0;
  while (n >= 1000 && unit + 1 < kUnits.size()) {
    n /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{}", n) : fmt::format("{:.1f}{}", n, kUnits[unit]);
}

Console::Console(const Common& common)
    : quiet_(common.quiet),
      color_(use_color(common.color)),
      shows_progress_(!common.quiet && stderr_is_terminal() && !is_set("NO_PROGRESS")) {}

void Console::note(std::string_view text) const {
  if (!quiet_) write_stderr(fmt::format("tercet: {}\n", text));
}

void Console::statistics(std::string_view text) const {
  if (!quiet_) write_stderr(fmt::format("{}{}{}\n", color_ ? kFaint : "", text, color_ ? kPlain : ""));
}

void Console::progress(std::string_view text) const {
  if (shows_progress_) write_stderr(fmt::format("\r\x1b[K{}", text));
}

}  // namespace tercet::cli
