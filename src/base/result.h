// Owns the error model: Result<T> and Status for everything that comes from outside (files, requests, devices, memory).
// A message is one line that names the thing, what was seen and what was wanted; a hint, if there is one, names the
// command or the change that would help. Our own bugs are CHECKs (base/check.h), never Results.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace tercet {

// What kind of failure it is; the command line turns it into an exit code (docs/architecture.md#errors).
enum class Code {
  kInvalidArgument,  // what the user gave is wrong: a flag, a prompt, a token id            exit 2
  kNotFound,         // a file that was named is not there                                    exit 2
  kCorrupt,          // a file is not what its format promises                                exit 2
  kUnsupported,      // well formed, but nothing here can run it                              exit 2
  kLimit,            // over a stated limit: context, template steps, header size             exit 2
  kIo,               // reading or writing failed: a full disk, a file that shrank            exit 1
  kOutOfMemory,      // it does not fit                                                       exit 1
  kDevice,           // a device is missing, lost or refused                                  exit 1
  kCancelled,        // somebody asked for it to stop                                         exit 1
};

// A stable, lower-case name, as the JSON error object carries it.
constexpr std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return "invalid_argument";
    case Code::kNotFound: return "not_found";
    case Code::kCorrupt: return "corrupt";
    case Code::kUnsupported: return "unsupported";
    case Code::kLimit: return "limit";
    case Code::kIo: return "io";
    case Code::kOutOfMemory: return "out_of_memory";
    case Code::kDevice: return "device";
    case Code::kCancelled: return "cancelled";
  }
  return "unknown";
}

struct Error {
  Code code;
  std::string message;  // one line: WHAT: SEEN, want WANTED
  std::string hint;     // empty, or one line
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...), {}});
}

[[nodiscard]] inline tl::unexpected<Error> with_hint(tl::unexpected<Error> unexpected, std::string hint) {
  unexpected.value().hint = std::move(hint);
  return unexpected;
}

}  // namespace tercet

#define TERCET_CONCAT_INNER(a, b) a##b
#define TERCET_CONCAT(a, b) TERCET_CONCAT_INNER(a, b)

// Leaves the function with the error of a Status or Result that holds one.
#define RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                  \
    auto&& tercet_status_ = (expr);                                                     \
    if (!tercet_status_) return tl::make_unexpected(std::move(tercet_status_).error()); \
  } while (false)

// ASSIGN_OR_RETURN(auto x, f()): x is f()'s value, or the function returns its error.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_INNER(TERCET_CONCAT(tercet_result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr)                  \
  auto tmp = (expr);                                            \
  if (!tmp) return tl::make_unexpected(std::move(tmp).error()); \
  lhs = *std::move(tmp)
