#include "chat/lexer.h"

#include <algorithm>
#include <array>

#include "chat/unicode.h"

namespace tercet::chat {
namespace {

struct Operator {
  std::string_view text;
  Tok kind;
};

// Longer ones first.
constexpr Operator kOperators[] = {
    {"//", Tok::kFloorDiv}, {"**", Tok::kPow},   {"==", Tok::kEq},      {"!=", Tok::kNe},      {">=", Tok::kGe},
    {"<=", Tok::kLe},       {"+", Tok::kAdd},    {"-", Tok::kSub},      {"/", Tok::kDiv},      {"*", Tok::kMul},
    {"%", Tok::kMod},       {"~", Tok::kTilde},  {"[", Tok::kLBracket}, {"]", Tok::kRBracket}, {"(", Tok::kLParen},
    {")", Tok::kRParen},    {"{", Tok::kLBrace}, {"}", Tok::kRBrace},   {">", Tok::kGt},       {"<", Tok::kLt},
    {"=", Tok::kAssign},    {".", Tok::kDot},    {":", Tok::kColon},    {"|", Tok::kPipe},     {",", Tok::kComma},
    {";", Tok::kSemicolon},
};

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex_digit(char c) { return is_ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Syntax<std::vector<Token>> run();

 private:
  using Done = tl::expected<void, SyntaxError>;

  bool at(std::string_view text, size_t pos) const { return source_.substr(pos, text.size()) == text; }
  size_t skip_space(size_t pos) const;
  size_t raw_begin_end(size_t pos) const;
  void data(std::string_view text);
  void add(Tok kind, size_t end);
  void advance(size_t end);
  std::string_view strip_before_tag(std::string_view text, char sign, bool variable) const;

  Done tag(size_t begin);
  Done comment();
  Done raw(size_t body);
  Done inside(Tok end_kind);
  size_t end_of_tag(Tok end_kind) const;
  Done expression_token();
  Done op();
  Done name();
  size_t match_digits(size_t pos) const;
  size_t match_float() const;
  size_t match_integer() const;
  size_t match_string() const;

  std::string_view source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last match ended with a newline
  std::vector<char> closers_;
  std::vector<Token> tokens_;
};

size_t Lexer::skip_space(size_t pos) const {
  while (pos < source_.size()) {
    const CodePoint c = code_point_at(source_, pos);
    if (!is_space(c.value)) break;
    pos += c.bytes;
  }
  return pos;
}

void Lexer::advance(size_t end) {
  line_ += static_cast<int>(
      std::count(source_.begin() + static_cast<ptrdiff_t>(pos_), source_.begin() + static_cast<ptrdiff_t>(end), '\n'));
  line_starting_ = end > pos_ && source_[end - 1] == '\n';
  pos_ = end;
}

void Lexer::add(Tok kind, size_t end) {
  tokens_.push_back({kind, line_, source_.substr(pos_, end - pos_)});
  advance(end);
}

void Lexer::data(std::string_view text) {
  if (!text.empty()) tokens_.push_back({Tok::kData, line_, text});
}

// The position after `{% raw %}` if it stands at `pos`, else 0.
size_t Lexer::raw_begin_end(size_t pos) const {
  if (!at("{%", pos)) return 0;
  pos += 2;
  if (at("-", pos) || at("+", pos)) ++pos;
  pos = skip_space(pos);
  if (!at("raw", pos)) return 0;
  pos = skip_space(pos + 3);
  if (at("-%}", pos)) return skip_space(pos + 3);
  return at("%}", pos) ? pos + 2 : 0;
}

// What is left of the text before a tag: `-` strips all white space; lstrip_blocks strips a line's own, unless `+`.
std::string_view Lexer::strip_before_tag(std::string_view text, char sign, bool variable) const {
  if (sign == '-') return trim_right(text);
  if (sign == '+' || variable) return text;
  const size_t newline = text.rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  if (line_begin == 0 && !line_starting_) return text;
  return trim_left(text.substr(line_begin)).empty() ? text.substr(0, line_begin) : text;
}

Lexer::Done Lexer::tag(size_t begin) {
  const char kind = source_[begin + 1];
  const size_t raw_end = raw_begin_end(begin);
  size_t end = begin + 2;
  const char sign = end < source_.size() && (source_[end] == '-' || source_[end] == '+') ? source_[end] : '\0';
  if (sign != '\0') ++end;
  data(strip_before_tag(source_.substr(pos_, begin - pos_), sign, kind == '{'));
  advance(begin);
  if (raw_end != 0) return raw(raw_end);
  if (kind == '#') {
    advance(end);
    return comment();
  }
  add(kind == '{' ? Tok::kVariableBegin : Tok::kBlockBegin, end);
  return inside(kind == '{' ? Tok::kVariableEnd : Tok::kBlockEnd);
}

Lexer::Done Lexer::comment() {
  if (pos_ == source_.size()) return {};  // jinja2 lets an empty one at the very end pass
  const size_t close = source_.find("#}", pos_);
  if (close == std::string_view::npos) return syntax_error(Code::kCorrupt, line_, "a comment has no end, want '#}}'");
  const char sign = close > pos_ ? source_[close - 1] : '\0';
  size_t end = close + 2;
  if (sign == '-') {
    end = skip_space(end);
  } else if (sign != '+' && at("\n", end)) {
    ++end;
  }
  advance(end);
  return {};
}

Lexer::Done Lexer::raw(size_t body) {
  advance(body);
  if (pos_ == source_.size()) return {};
  for (size_t begin = source_.find("{%", pos_); begin != std::string_view::npos;
       begin = source_.find("{%", begin + 2)) {
    size_t end = begin + 2;
    const char sign = at("-", end) || at("+", end) ? source_[end] : '\0';
    end = skip_space(sign == '\0' ? end : end + 1);
    if (!at("endraw", end)) continue;
    end = skip_space(end + 6);
    size_t after = 0;
    if (at("-%}", end)) {
      after = skip_space(end + 3);
    } else if (at("+%}", end)) {
      after = end + 3;
    } else if (at("%}", end)) {
      after = end + 2 + (at("\n", end + 2) ? 1 : 0);
    } else {
      continue;
    }
    data(strip_before_tag(source_.substr(pos_, begin - pos_), sign, false));
    advance(after);
    return {};
  }
  return syntax_error(Code::kCorrupt, line_, "a raw block has no end, want '{{% endraw %}}'");
}

// The end of the tag's closing mark with the white space it eats, or 0 if there is none here.
size_t Lexer::end_of_tag(Tok end_kind) const {
  const std::string_view mark = end_kind == Tok::kVariableEnd ? "}}" : "%}";
  if (at("-", pos_) && at(mark, pos_ + 1)) return skip_space(pos_ + 3);
  if (end_kind == Tok::kBlockEnd && at("+", pos_) && at(mark, pos_ + 1)) return pos_ + 3;
  if (!at(mark, pos_)) return 0;
  const bool trim = end_kind == Tok::kBlockEnd && at("\n", pos_ + 2);
  return pos_ + (trim ? 3 : 2);
}

Lexer::Done Lexer::inside(Tok end_kind) {
  while (pos_ < source_.size()) {
    const size_t end = closers_.empty() ? end_of_tag(end_kind) : 0;
    if (end != 0) {
      add(end_kind, end);
      return {};
    }
    const size_t space = skip_space(pos_);
    if (space != pos_) {
      advance(space);
      continue;
    }
    if (auto done = expression_token(); !done) return done;
  }
  return {};
}

// Digits with single underscores between them; the position after them, or `pos` if there are none.
size_t Lexer::match_digits(size_t pos) const {
  size_t end = pos;
  while (end < source_.size() && is_ascii_digit(source_[end])) {
    ++end;
    if (end + 1 < source_.size() && source_[end] == '_' && is_ascii_digit(source_[end + 1])) ++end;
  }
  return end;
}

size_t Lexer::match_float() const {
  if (pos_ > 0 && source_[pos_ - 1] == '.') return pos_;
  const size_t whole = match_digits(pos_);
  if (whole == pos_) return pos_;
  size_t end = whole;
  if (at(".", end) && match_digits(end + 1) > end + 1) end = match_digits(end + 1);
  size_t exponent = end;
  if (at("e", exponent) || at("E", exponent)) {
    ++exponent;
    if (at("+", exponent) || at("-", exponent)) ++exponent;
    if (match_digits(exponent) > exponent) return match_digits(exponent);
  }
  return end > whole ? end : pos_;
}

size_t Lexer::match_integer() const {
  const auto run = [this](size_t pos, auto is_digit_of_base) {
    size_t end = pos;
    while (true) {
      const size_t digit = end < source_.size() && source_[end] == '_' ? end + 1 : end;
      if (digit >= source_.size() || !is_digit_of_base(source_[digit])) return end;
      end = digit + 1;
    }
  };
  if (source_[pos_] == '0') {
    const char base = pos_ + 1 < source_.size() ? static_cast<char>(source_[pos_ + 1] | 0x20) : '\0';
    size_t end = pos_ + 2;
    if (base == 'b') end = run(end, [](char c) { return c == '0' || c == '1'; });
    if (base == 'o') end = run(end, [](char c) { return c >= '0' && c <= '7'; });
    if (base == 'x') end = run(end, is_hex_digit);
    if (end > pos_ + 2) return end;
    return run(pos_ + 1, [](char c) { return c == '0'; });
  }
  return is_ascii_digit(source_[pos_]) ? run(pos_ + 1, is_ascii_digit) : pos_;
}

size_t Lexer::match_string() const {
  const char quote = source_[pos_];
  if (quote != '\'' && quote != '"') return pos_;
  for (size_t end = pos_ + 1; end < source_.size(); ++end) {
    if (source_[end] == '\\') {
      ++end;
    } else if (source_[end] == quote) {
      return end + 1;
    }
  }
  return pos_;
}

Lexer::Done Lexer::name() {
  size_t end = pos_;
  bool identifier = true;
  while (end < source_.size()) {
    const CodePoint c = code_point_at(source_, end);
    if (!is_word(c.value)) break;
    identifier = identifier && (end == pos_ ? is_identifier_start(c.value) : is_identifier_part(c.value));
    end += c.bytes;
  }
  if (!identifier) {
    return syntax_error(Code::kCorrupt, line_, "'{}' is no name", source_.substr(pos_, end - pos_));
  }
  add(Tok::kName, end);
  return {};
}

Lexer::Done Lexer::op() {
  const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                   [this](const Operator& candidate) { return at(candidate.text, pos_); });
  if (found == std::end(kOperators)) {
    const CodePoint c = code_point_at(source_, pos_);
    return syntax_error(Code::kCorrupt, line_, "unexpected character '{}'",
                        c.value < 0 ? std::string_view("?") : source_.substr(pos_, c.bytes));
  }
  const char c = found->text[0];
  if (c == '(' || c == '[' || c == '{') closers_.push_back(c == '(' ? ')' : (c == '[' ? ']' : '}'));
  if (c == ')' || c == ']' || c == '}') {
    if (closers_.empty()) return syntax_error(Code::kCorrupt, line_, "unexpected '{}'", c);
    if (closers_.back() != c) {
      return syntax_error(Code::kCorrupt, line_, "unexpected '{}', want '{}'", c, closers_.back());
    }
    closers_.pop_back();
  }
  add(found->kind, pos_ + found->text.size());
  return {};
}

Lexer::Done Lexer::expression_token() {
  if (const size_t end = match_float(); end > pos_) {
    add(Tok::kFloat, end);
  } else if (const size_t integer = match_integer(); integer > pos_) {
    add(Tok::kInteger, integer);
  } else if (is_word(code_point_at(source_, pos_).value)) {
    return name();
  } else if (const size_t string = match_string(); string > pos_) {
    add(Tok::kString, string);
  } else {
    return op();
  }
  return {};
}

Syntax<std::vector<Token>> Lexer::run() {
  while (pos_ < source_.size()) {
    size_t begin = source_.find('{', pos_);
    while (begin != std::string_view::npos && begin + 1 < source_.size() && source_[begin + 1] != '{' &&
           source_[begin + 1] != '%' && source_[begin + 1] != '#') {
      begin = source_.find('{', begin + 1);
    }
    if (begin == std::string_view::npos || begin + 1 >= source_.size()) {
      data(source_.substr(pos_));
      advance(source_.size());
      break;
    }
    if (auto done = tag(begin); !done) return tl::make_unexpected(std::move(done).error());
  }
  tokens_.push_back({Tok::kEof, line_, {}});
  return std::move(tokens_);
}

}  // namespace

std::string normalize_newlines(std::string_view text, bool drop_last) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
      continue;
    }
    out += '\n';
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  if (drop_last && !out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

Syntax<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

std::string describe(const Token& token) {
  switch (token.kind) {
    case Tok::kEof:
      return "the end of the template";
    case Tok::kBlockEnd:
      return "the end of the tag";
    case Tok::kVariableEnd:
      return "the end of the print statement";
    case Tok::kData:
      return "text";
    default:
      break;
  }
  constexpr size_t kMaxShown = 40;
  const bool cut = token.text.size() > kMaxShown;
  return fmt::format("'{}{}'", token.text.substr(0, cut ? kMaxShown : token.text.size()), cut ? "..." : "");
}

}  // namespace tercet::chat
