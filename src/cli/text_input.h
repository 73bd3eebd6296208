// Owns where a verb's text comes from: -p, -f or stdin.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/cli11.h"

namespace tercet::cli {

class TextInput {
 public:
  // Declares -p and -f on `app`; both must outlive the read.
  void declare(CLI::App& app);

  const CLI::Option* text_option() const { return text_option_; }
  const CLI::Option* file_option() const { return file_option_; }

  // -p's text, or all of -f's file, or all of stdin: bytes as they are, nothing stripped. Errors: kInvalidArgument (both
  // given, or none and stdin is a terminal), kNotFound, kIo, kLimit.
  Result<std::string> read() const;

 private:
  const CLI::App* app_ = nullptr;
  const CLI::Option* text_option_ = nullptr;
  const CLI::Option* file_option_ = nullptr;
  std::string text_;
  std::string path_;
};

}  // namespace tercet::cli
