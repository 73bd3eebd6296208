#include "chat/parser.h"

#include <algorithm>

namespace tercet::chat {
namespace {

constexpr std::string_view kUnsupportedTags[] = {"block", "extends", "include", "import", "from", "autoescape"};

std::string join_words(std::initializer_list<std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += " or ";
    out += fmt::format("'{}'", word);
  }
  return out;
}

}  // namespace

bool Parser::skip(Tok kind) {
  if (!is(kind)) return false;
  next();
  return true;
}

bool Parser::skip_word(std::string_view word) {
  if (!is_word(word)) return false;
  next();
  return true;
}

Syntax<const Token*> Parser::expect(Tok kind, std::string_view wanted) {
  if (!is(kind)) return syntax_error(Code::kCorrupt, now().line, "unexpected {}, want {}", describe(now()), wanted);
  return &next();
}

Syntax<void> Parser::expect_word(std::string_view word) {
  if (!is_word(word)) {
    return syntax_error(Code::kCorrupt, now().line, "unexpected {}, want '{}'", describe(now()), word);
  }
  next();
  return {};
}

Syntax<void> Parser::check_depth() const {
  if (depth_ <= kMaxNesting) return {};
  return syntax_error(Code::kLimit, now().line,
                      "the limit kMaxNesting ({}) is reached: tags and brackets nest too deeply", kMaxNesting);
}

Syntax<void> Parser::grow(Node* node, const Node* child) const {
  node->height = std::max(node->height, child->height + 1);
  if (node->height <= kMaxHeight) return {};
  return syntax_error(Code::kLimit, node->line,
                      "the limit kMaxHeight ({}) is reached: the expression is too long a chain", kMaxHeight);
}

Syntax<void> Parser::parse() {
  ASSIGN_OR_RETURN(ast_.body, body_until({}));
  if (!unknown_.empty()) return tl::make_unexpected(unknown_.front());
  return {};
}

// Statements up to a tag that begins with one of `ends`; that word is the current token then. No ends: to the end.
Syntax<Body> Parser::body_until(Words ends) {
  const Nested nested(*this);
  RETURN_IF_ERROR(check_depth());
  Body body;
  while (!is(Tok::kEof)) {
    if (is(Tok::kData)) {
      auto* text = make<TextStmt>(now().line);
      text->text = next().text;
      body.push_back(text);
    } else if (is(Tok::kVariableBegin)) {
      auto* output = make<OutputStmt>(next().line);
      ASSIGN_OR_RETURN(output->value, tuple({}));
      RETURN_IF_ERROR(expect(Tok::kVariableEnd, "'}}'"));
      body.push_back(output);
    } else {
      RETURN_IF_ERROR(expect(Tok::kBlockBegin, "'{%'"));
      if (is(Tok::kName) && std::find(ends.begin(), ends.end(), now().text) != ends.end()) return body;
      if (is_word("print")) {
        RETURN_IF_ERROR(print_statement(body));
      } else {
        ASSIGN_OR_RETURN(const Stmt* one, statement());
        body.push_back(one);
      }
      RETURN_IF_ERROR(expect(Tok::kBlockEnd, "'%}'"));
    }
  }
  if (ends.size() == 0) return body;
  return syntax_error(Code::kCorrupt, now().line, "the template ends, want {}", join_words(ends));
}

Syntax<Body> Parser::tag_body(Words ends) {
  skip(Tok::kColon);  // allowed for Python's sake
  RETURN_IF_ERROR(expect(Tok::kBlockEnd, "'%}'"));
  return body_until(ends);
}

Syntax<const Stmt*> Parser::statement() {
  if (!is(Tok::kName)) return syntax_error(Code::kCorrupt, now().line, "unexpected {}, want a tag", describe(now()));
  const std::string_view word = now().text;
  if (word == "if") return if_statement();
  if (word == "for") return for_statement();
  if (word == "set") return set_statement();
  if (word == "macro") return macro_statement();
  if (word == "call") return call_statement();
  if (word == "filter") return filter_statement();
  if (word == "with") return with_statement();
  if (word == "generation") return generation_statement();
  if (word == "break" || word == "continue") return loop_control(word == "break");
  if (std::find(std::begin(kUnsupportedTags), std::end(kUnsupportedTags), word) != std::end(kUnsupportedTags)) {
    return syntax_error(Code::kUnsupported, now().line, "tag '{}' is not supported in a chat template", word);
  }
  return syntax_error(Code::kCorrupt, now().line, "tag '{}' is unknown or out of place", word);
}

Syntax<const Stmt*> Parser::if_statement() {
  auto* stmt = make<IfStmt>(next().line);
  const Around saved = around_;
  around_.checks_late = true;
  while (true) {
    ASSIGN_OR_RETURN(const Expr* condition, tuple({.with_conditional = false}));
    ASSIGN_OR_RETURN(Body body, tag_body({"elif", "else", "endif"}));
    stmt->branches.emplace_back(condition, std::move(body));
    if (skip_word("elif")) continue;
    if (skip_word("else")) {
      ASSIGN_OR_RETURN(stmt->otherwise, tag_body({"endif"}));
    }
    break;
  }
  next();  // endif
  around_ = saved;
  return stmt;
}

Syntax<const Stmt*> Parser::for_statement() {
  auto* stmt = make<ForStmt>(next().line);
  const Around saved = around_;
  around_ = {.loops = saved.loops, .in_for = true, .checks_late = false};
  ASSIGN_OR_RETURN(stmt->target, assign_target(false, "in"));
  RETURN_IF_ERROR(expect_word("in"));
  ASSIGN_OR_RETURN(stmt->iterable, tuple({.with_conditional = false, .end_word = "recursive"}));
  if (skip_word("if")) {
    ASSIGN_OR_RETURN(stmt->test, expression());
  }
  stmt->recursive = skip_word("recursive");
  around_.loops = stmt->recursive ? 1 : saved.loops + 1;
  ASSIGN_OR_RETURN(stmt->body, tag_body({"endfor", "else"}));
  around_.loops = stmt->recursive ? 0 : saved.loops;
  if (skip_word("else")) {
    ASSIGN_OR_RETURN(stmt->otherwise, tag_body({"endfor"}));
  }
  next();  // endfor
  around_ = saved;
  return stmt;
}

Syntax<const Stmt*> Parser::set_statement() {
  const int line = next().line;
  ASSIGN_OR_RETURN(const Expr* target, assign_target(true, {}));
  if (skip(Tok::kAssign)) {
    auto* stmt = make<SetStmt>(line);
    stmt->target = target;
    ASSIGN_OR_RETURN(stmt->value, tuple({}));
    return stmt;
  }
  auto* stmt = make<SetBlockStmt>(line);
  stmt->target = target;
  const Around saved = around_;
  around_.checks_late = false;
  ASSIGN_OR_RETURN(stmt->filter, filter_chain(nullptr, false));
  ASSIGN_OR_RETURN(stmt->body, tag_body({"endset"}));
  around_ = saved;
  next();
  return stmt;
}

Syntax<void> Parser::signature(MacroDef& macro) {
  RETURN_IF_ERROR(expect(Tok::kLParen, "'('"));
  while (!is(Tok::kRParen)) {
    if (!macro.parameters.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
    }
    ASSIGN_OR_RETURN(const Token* name, expect(Tok::kName, "a parameter's name"));
    for (const MacroDef::Parameter& other : macro.parameters) {
      if (other.name == name->text) {
        return syntax_error(Code::kCorrupt, name->line, "parameter '{}' is there twice", name->text);
      }
    }
    const Expr* fallback = nullptr;
    if (skip(Tok::kAssign)) {
      ASSIGN_OR_RETURN(fallback, expression());
    } else if (!macro.parameters.empty() && macro.parameters.back().fallback != nullptr) {
      return syntax_error(Code::kCorrupt, name->line, "parameter '{}' has no default but follows one that has",
                          name->text);
    }
    macro.parameters.push_back({ast_.intern(name->text), std::string(name->text), fallback});
  }
  next();
  return {};
}

Syntax<void> Parser::macro_body(MacroDef& macro, std::string_view end) {
  const Around saved = around_;
  around_ = {.loops = 0, .in_for = saved.in_for, .checks_late = false};
  macros_.emplace_back();
  auto body = tag_body({end});
  const MacroUse use = std::move(macros_.back());
  macros_.pop_back();
  around_ = saved;
  if (!body) return tl::make_unexpected(std::move(body).error());
  macro.body = *std::move(body);
  next();
  const auto is_parameter = [&macro](std::string_view name) {
    return std::any_of(macro.parameters.begin(), macro.parameters.end(), [&](const auto& p) { return p.name == name; });
  };
  for (const MacroDef::Parameter& parameter : macro.parameters) {
    if (parameter.name == "caller" && use.caller && parameter.fallback == nullptr) {
      return syntax_error(Code::kCorrupt, now().line, "the parameter 'caller' needs a default");
    }
  }
  macro.uses_caller = use.caller && !is_parameter("caller");
  macro.uses_varargs = use.varargs && !is_parameter("varargs");
  macro.uses_kwargs = use.kwargs && !is_parameter("kwargs");
  return {};
}

Syntax<const Stmt*> Parser::macro_statement() {
  auto* stmt = make<MacroStmt>(next().line);
  ASSIGN_OR_RETURN(const Token* name, expect(Tok::kName, "the macro's name"));
  stmt->symbol = ast_.intern(name->text);
  stmt->macro.name = name->text;
  RETURN_IF_ERROR(signature(stmt->macro));
  RETURN_IF_ERROR(macro_body(stmt->macro, "endmacro"));
  return stmt;
}

Syntax<const Stmt*> Parser::call_statement() {
  auto* stmt = make<CallBlockStmt>(next().line);
  if (is(Tok::kLParen)) {
    RETURN_IF_ERROR(signature(stmt->caller));
  }
  ASSIGN_OR_RETURN(const Expr* called, expression());
  if (called->kind != ExprKind::kCall) return syntax_error(Code::kCorrupt, stmt->line, "tag 'call' wants a call");
  stmt->call = static_cast<const CallExpr*>(called);
  RETURN_IF_ERROR(macro_body(stmt->caller, "endcall"));
  return stmt;
}

Syntax<const Stmt*> Parser::filter_statement() {
  auto* stmt = make<FilterBlockStmt>(next().line);
  const Around saved = around_;
  around_.checks_late = false;
  ASSIGN_OR_RETURN(stmt->filter, filter_chain(nullptr, true));
  ASSIGN_OR_RETURN(stmt->body, tag_body({"endfilter"}));
  around_ = saved;
  next();
  return stmt;
}

Syntax<const Stmt*> Parser::with_statement() {
  auto* stmt = make<WithStmt>(next().line);
  while (!is(Tok::kBlockEnd) && !is(Tok::kColon)) {
    if (!stmt->bindings.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
    }
    ASSIGN_OR_RETURN(const Expr* target, assign_target(false, {}));
    RETURN_IF_ERROR(expect(Tok::kAssign, "'='"));
    ASSIGN_OR_RETURN(const Expr* value, expression());
    stmt->bindings.emplace_back(target, value);
  }
  const Around saved = around_;
  around_.checks_late = false;
  ASSIGN_OR_RETURN(stmt->body, tag_body({"endwith"}));
  around_ = saved;
  next();
  return stmt;
}

// transformers marks the assistant's text with this tag; what is in it is rendered as it is.
Syntax<const Stmt*> Parser::generation_statement() {
  auto* stmt = make<ScopeStmt>(next().line);
  const Around saved = around_;
  around_ = {.loops = 0, .in_for = saved.in_for, .checks_late = false};
  ASSIGN_OR_RETURN(stmt->body, tag_body({"endgeneration"}));
  around_ = saved;
  next();
  return stmt;
}

Syntax<const Stmt*> Parser::loop_control(bool is_break) {
  const Token& word = next();
  if (around_.loops == 0) {
    return syntax_error(Code::kCorrupt, word.line, "tag '{}' is outside of a loop", word.text);
  }
  if (is_break) return make<BreakStmt>(word.line);
  return make<ContinueStmt>(word.line);
}

Syntax<void> Parser::print_statement(Body& out) {
  const int line = next().line;
  for (bool first = true; !is(Tok::kBlockEnd); first = false) {
    if (!first) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
    }
    auto* output = make<OutputStmt>(line);
    ASSIGN_OR_RETURN(output->value, expression());
    out.push_back(output);
  }
  return {};
}

Syntax<const Expr*> Parser::assign_target(bool with_namespace, std::string_view end_word) {
  ASSIGN_OR_RETURN(const Expr* target,
                   tuple({.simplified = true, .with_namespace = with_namespace, .end_word = end_word}));
  RETURN_IF_ERROR(store(target));
  return target;
}

Syntax<void> Parser::store(const Expr* target) {
  if (target->kind == ExprKind::kNamespaceRef) return {};
  if (target->kind == ExprKind::kSequence && static_cast<const SequenceExpr*>(target)->tuple) {
    for (const Expr* item : static_cast<const SequenceExpr*>(target)->items) RETURN_IF_ERROR(store(item));
    return {};
  }
  if (target->kind != ExprKind::kName)
    return syntax_error(Code::kCorrupt, target->line, "can't assign to this expression");
  const std::string& name = ast_.names[static_cast<const NameExpr*>(target)->symbol];
  if (name == "loop" && around_.in_for) {
    return syntax_error(Code::kCorrupt, target->line, "can't assign to 'loop' in a for loop");
  }
  if (name == "caller" || name == "varargs" || name == "kwargs") {
    for (MacroUse& use : macros_) use.stored.push_back(ast_.names[static_cast<const NameExpr*>(target)->symbol]);
  }
  return {};
}

void Parser::note_load(std::string_view name) {
  if (name != "caller" && name != "varargs" && name != "kwargs") return;
  for (MacroUse& use : macros_) {
    if (std::find(use.stored.begin(), use.stored.end(), name) != use.stored.end()) continue;
    use.caller |= name == "caller";
    use.varargs |= name == "varargs";
    use.kwargs |= name == "kwargs";
  }
}

}  // namespace tercet::chat
