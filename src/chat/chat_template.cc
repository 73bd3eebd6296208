#include "chat/chat_template.h"

#include <boost/json.hpp>

#include "chat/ast.h"
#include "chat/interpreter.h"
#include "chat/lexer.h"
#include "chat/parser.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

constexpr size_t kMaxQuote = 120;  // bytes of a template's line in a message

// The line, from 1, trimmed, in one line's worth.
std::string quote_line(std::string_view source, int line) {
  for (int i = 1; i < line; ++i) {
    const size_t newline = source.find('\n');
    if (newline == std::string_view::npos) break;
    source.remove_prefix(newline + 1);
  }
  std::string_view text = trim_right(trim_left(source.substr(0, source.find('\n'))));
  const bool cut = text.size() > kMaxQuote;
  if (cut) text = text.substr(0, byte_offset(text, kMaxQuote));
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + (cut ? "..." : "");
}

// A message is one line.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

tl::unexpected<Error> located(std::string_view name, std::string_view source, int line, Code code,
                              std::string message) {
  if (line == 0) return error(code, "chat template '{}': {}", name, one_line(std::move(message)));
  return error(code, "chat template '{}', line {}: {}: \"{}\"", name, line, one_line(std::move(message)),
               quote_line(source, line));
}

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

}  // namespace

struct Template::Parsed {
  std::string name;
  std::string source;  // what the nodes point into
  Ast ast;
};

Template::Template(std::unique_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
Template::~Template() = default;

const std::string& Template::name() const { return parsed_->name; }

Result<std::unique_ptr<Template>> Template::parse(std::string_view source, std::string name) {
  if (source.size() > kMaxSourceBytes) {
    return error(Code::kLimit, "chat template '{}': it has {} bytes, want at most {}", name, source.size(),
                 kMaxSourceBytes);
  }
  auto parsed = std::make_unique<Parsed>();
  parsed->name = std::move(name);
  parsed->source = normalize_newlines(source, true);
  const auto failed = [&parsed](const SyntaxError& e) {
    return located(parsed->name, parsed->source, e.line, e.code, e.message);
  };
  auto tokens = tokenize(parsed->source);
  if (!tokens) return failed(tokens.error());
  if (auto done = Parser(*std::move(tokens), parsed->ast).parse(); !done) return failed(done.error());
  return std::unique_ptr<Template>(new Template(std::move(parsed)));
}

Result<std::string> Template::render(const boost::json::object& context, const RenderOptions& options) const {
  const std::tm now = options.now ? *options.now : local_time();
  Budget budget(options.limits);
  Interpreter interpreter(parsed_->ast, budget, now);
  Result<std::string> text = interpreter.run(context);
  if (text) return text;
  return located(parsed_->name, parsed_->source, interpreter.error_line(), text.error().code, text.error().message);
}

}  // namespace tercet::chat
