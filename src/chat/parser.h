// Owns the grammar: tokens into a tree, by recursive descent with jinja2's precedences. Nesting is bounded, so that no
// text can overflow the stack.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "chat/ast.h"
#include "chat/lexer.h"

namespace tercet::chat {

class Parser {
 public:
  // `ast` receives the nodes; the tokens' source outlives it.
  Parser(std::vector<Token> tokens, Ast& ast) : tokens_(std::move(tokens)), ast_(ast) {}

  Syntax<void> parse();

 private:
  using Words = std::initializer_list<std::string_view>;

  // Counts the nesting while it lives.
  struct Nested {
    explicit Nested(Parser& p) : parser(p) { ++parser.depth_; }
    ~Nested() { --parser.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    Parser& parser;
  };
  Syntax<void> check_depth() const;

  // What the words and tags around a statement mean for it; saved and restored around inner bodies.
  struct Around {
    int loops = 0;             // that `break` can leave
    bool in_for = false;       // `loop` can't be assigned
    bool checks_late = false;  // unknown filters and tests are errors only when they run
  };
  // What a macro's body refers to.
  struct MacroUse {
    bool caller = false, varargs = false, kwargs = false;
    std::vector<std::string_view> stored;
  };

  const Token& now() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(Tok kind) const { return now().kind == kind; }
  bool is_word(std::string_view word) const { return is(Tok::kName) && now().text == word; }
  bool skip(Tok kind);
  bool skip_word(std::string_view word);
  Syntax<const Token*> expect(Tok kind, std::string_view wanted);
  Syntax<void> expect_word(std::string_view word);
  template <typename T>
  T* make(int line);
  // Raises `node`'s height over the child's; an error over kMaxHeight.
  Syntax<void> grow(Node* node, const Node* child) const;

  // statements: parser.cc
  Syntax<Body> body_until(Words ends);
  Syntax<Body> tag_body(Words ends);  // from the end of the opening tag
  Syntax<void> finish_tag(std::string_view word);
  Syntax<const Stmt*> statement();
  Syntax<const Stmt*> if_statement();
  Syntax<const Stmt*> for_statement();
  Syntax<const Stmt*> set_statement();
  Syntax<const Stmt*> macro_statement();
  Syntax<const Stmt*> call_statement();
  Syntax<const Stmt*> filter_statement();
  Syntax<const Stmt*> with_statement();
  Syntax<const Stmt*> generation_statement();
  Syntax<const Stmt*> loop_control(bool is_break);
  Syntax<void> print_statement(Body& out);
  Syntax<void> signature(MacroDef& macro);
  Syntax<void> macro_body(MacroDef& macro, std::string_view end);
  Syntax<const Expr*> assign_target(bool with_namespace, std::string_view end_word);
  Syntax<void> store(const Expr* target);
  void note_load(std::string_view name);

  // expressions: parser_expr.cc
  Syntax<const Expr*> expression(bool with_conditional = true);
  Syntax<const Expr*> conditional();
  Syntax<const Expr*> logic_or();
  Syntax<const Expr*> logic_and();
  Syntax<const Expr*> logic_not();
  Syntax<const Expr*> comparison();
  Syntax<const Expr*> sum();
  Syntax<const Expr*> concat();
  Syntax<const Expr*> product();
  Syntax<const Expr*> power();
  Syntax<const Expr*> unary(bool with_filter = true);
  Syntax<const Expr*> primary(bool with_namespace = false);
  Syntax<const Expr*> name_or_constant(bool with_namespace);
  Syntax<const Expr*> string_constant();
  Syntax<const Expr*> number_constant();
  Syntax<const Expr*> list_literal();
  Syntax<const Expr*> dict_literal();
  Syntax<const Expr*> postfix(const Expr* expr);
  Syntax<const Expr*> filters_and_tests(const Expr* expr);
  Syntax<const Expr*> attribute(const Expr* object);
  Syntax<const Expr*> subscript(const Expr* object);
  Syntax<const Expr*> slice(const Expr* object, const Expr* start, int line);
  Syntax<const CallExpr*> call(const Expr* callee);
  Syntax<void> arguments(Arguments& args, Node* owner);
  Syntax<void> argument(Arguments& args, Node* owner);
  Syntax<std::string> dotted_name();
  Syntax<const Expr*> filter_chain(const Expr* input, bool start_inline);
  Syntax<const Expr*> test(const Expr* input);
  Syntax<const Expr*> binary(BinaryOp op, const Expr* left, const Expr* right, int line);

  struct TupleRule {
    bool simplified = false;  // names and literals only: a target
    bool with_conditional = true;
    bool parenthesized = false;
    bool with_namespace = false;
    std::string_view end_word = {};  // a word that ends it too
  };
  Syntax<const Expr*> tuple(const TupleRule& rule);
  bool at_tuple_end(const TupleRule& rule) const;

  std::vector<Token> tokens_;
  Ast& ast_;
  size_t at_ = 0;
  int depth_ = 0;
  Around around_;
  std::vector<MacroUse> macros_;      // that enclose this place
  std::vector<SyntaxError> unknown_;  // filters and tests that are sure to be needed
};

template <typename T>
T* Parser::make(int line) {
  auto node = std::make_unique<T>();
  T* raw = node.get();
  raw->line = line;
  ast_.nodes.push_back(std::move(node));
  return raw;
}

// The text of a string literal, escapes resolved as Python does. Errors: a message.
tl::expected<std::string, std::string> unescape(std::string_view literal);
// Errors: a message.
tl::expected<Value, std::string> parse_number(const Token& token);
// A str that belongs to the template and not to a render.
Value constant_string(std::string text);

}  // namespace tercet::chat
