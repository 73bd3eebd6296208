#include "cli/text_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "cli/options.h"

namespace tercet::cli {
namespace {

// More than any context holds; it keeps an endless file from taking all memory.
constexpr size_t kMaxText = size_t{1} << 30;

Result<std::string> read_all(int fd, std::string_view name) {
  std::string text;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(Code::kIo, "{}: {}, want text", name, std::strerror(errno));
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > kMaxText)
      return error(Code::kLimit, "{}: over {} bytes, want at most that", name, kMaxText);
    text.append(chunk, static_cast<size_t>(n));
  }
}

Result<std::string> read_file(const std::string& path) {
  const std::string name = printable(path);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error(errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kIo, "{}: {}, want a text file", name,
                 std::strerror(errno));
  struct stat status = {};
  auto text = ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)
                  ? error(Code::kInvalidArgument, "{}: a directory, want a text file", name)
                  : read_all(fd, name);
  ::close(fd);
  return text;
}

}  // namespace

void TextInput::declare(CLI::App& app) {
  app_ = &app;
  text_option_ = add_text(app, "-p,--prompt", text_, "TEXT", "The text itself");
  file_option_ =
      add_text(app, "-f,--file", path_, "FILE", "A file with the text; - is stdin, as is neither of the two");
}

Result<std::string> TextInput::read() const {
  ASSIGN_OR_RETURN(const CLI::Option* given, pick_one(*app_, {text_option_, file_option_}));
  if (given == text_option_ && given != nullptr) return text_;
  if (given == file_option_ && given != nullptr && path_ != "-") return read_file(path_);
  if (given == nullptr && ::isatty(STDIN_FILENO) == 1)
    return with_hint(error(Code::kInvalidArgument, "prompt: none, want -p TEXT, -f FILE or text on stdin"),
                     app_->get_name() + " --help");
  return read_all(STDIN_FILENO, "stdin");
}

}  // namespace tercet::cli
