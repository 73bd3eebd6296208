// Owns the first reading of a template: text into tokens, with jinja2's rules of white space (trim_blocks and
// lstrip_blocks on, the last newline dropped). Tokens point into the source, which outlives them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet::chat {

enum class Tok : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kPow,
  kTilde,
  kLBracket,
  kRBracket,
  kLParen,
  kRParen,
  kLBrace,
  kRBrace,
  kEq,
  kNe,
  kGt,
  kGe,
  kLt,
  kLe,
  kAssign,
  kDot,
  kColon,
  kPipe,
  kComma,
  kSemicolon,
  kEof,
};

struct Token {
  Tok kind;
  int line;               // from 1
  std::string_view text;  // as written; a string with its quotes
};

// A message and the line it speaks of; the template's name and the line's text are put around it by its owner.
struct SyntaxError {
  Code code;
  std::string message;
  int line;
};

template <typename T>
using Syntax = tl::expected<T, SyntaxError>;

template <typename... Args>
[[nodiscard]] tl::unexpected<SyntaxError> syntax_error(Code code, int line, fmt::format_string<Args...> format,
                                                       Args&&... args) {
  return tl::make_unexpected(SyntaxError{code, fmt::format(format, std::forward<Args>(args)...), line});
}

// \r\n and \r become \n; one newline at the end is dropped.
std::string normalize_newlines(std::string_view text, bool drop_last);

// `source` as normalize_newlines gives it. The last token is kEof.
Syntax<std::vector<Token>> tokenize(std::string_view source);

// How a message names a token.
std::string describe(const Token& token);

}  // namespace tercet::chat
