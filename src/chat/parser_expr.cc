// Expressions, from the loosest binding to literals.
#include "chat/parser.h"

namespace tercet::chat {

Syntax<const Expr*> Parser::expression(bool with_conditional) {
  const Nested nested(*this);
  RETURN_IF_ERROR(check_depth());
  return with_conditional ? conditional() : logic_or();
}

Syntax<const Expr*> Parser::conditional() {
  int line = now().line;
  const size_t n_unknown = unknown_.size();
  ASSIGN_OR_RETURN(const Expr* expr, logic_or());
  if (!is_word("if")) return expr;
  // What one branch names may be unknown to us: it is an error only when that branch is run.
  const Around saved = around_;
  around_.checks_late = true;
  unknown_.resize(n_unknown);
  while (skip_word("if")) {
    auto* choice = make<ConditionalExpr>(line);
    choice->then = expr;
    ASSIGN_OR_RETURN(choice->test, logic_or());
    if (skip_word("else")) {
      ASSIGN_OR_RETURN(choice->otherwise, expression());
      RETURN_IF_ERROR(grow(choice, choice->otherwise));
    }
    RETURN_IF_ERROR(grow(choice, choice->then));
    RETURN_IF_ERROR(grow(choice, choice->test));
    expr = choice;
    line = now().line;
  }
  around_ = saved;
  return expr;
}

Syntax<const Expr*> Parser::logic_or() {
  ASSIGN_OR_RETURN(const Expr* left, logic_and());
  while (is_word("or")) {
    auto* logic = make<LogicExpr>(next().line);
    logic->is_or = true;
    logic->left = left;
    ASSIGN_OR_RETURN(logic->right, logic_and());
    RETURN_IF_ERROR(grow(logic, left));
    RETURN_IF_ERROR(grow(logic, logic->right));
    left = logic;
  }
  return left;
}

Syntax<const Expr*> Parser::logic_and() {
  ASSIGN_OR_RETURN(const Expr* left, logic_not());
  while (is_word("and")) {
    auto* logic = make<LogicExpr>(next().line);
    logic->left = left;
    ASSIGN_OR_RETURN(logic->right, logic_not());
    RETURN_IF_ERROR(grow(logic, left));
    RETURN_IF_ERROR(grow(logic, logic->right));
    left = logic;
  }
  return left;
}

Syntax<const Expr*> Parser::logic_not() {
  if (!is_word("not")) return comparison();
  const Nested nested(*this);
  RETURN_IF_ERROR(check_depth());
  auto* negation = make<NotExpr>(next().line);
  ASSIGN_OR_RETURN(negation->operand, logic_not());
  RETURN_IF_ERROR(grow(negation, negation->operand));
  return negation;
}

Syntax<const Expr*> Parser::comparison() {
  const int line = now().line;
  ASSIGN_OR_RETURN(const Expr* first, sum());
  CompareExpr* compare = nullptr;
  while (true) {
    CompareOp op{};
    switch (now().kind) {
      case Tok::kEq:
        op = CompareOp::kEq;
        break;
      case Tok::kNe:
        op = CompareOp::kNe;
        break;
      case Tok::kLt:
        op = CompareOp::kLt;
        break;
      case Tok::kLe:
        op = CompareOp::kLe;
        break;
      case Tok::kGt:
        op = CompareOp::kGt;
        break;
      case Tok::kGe:
        op = CompareOp::kGe;
        break;
      default:
        if (is_word("in")) {
          op = CompareOp::kIn;
        } else if (is_word("not") && look().kind == Tok::kName && look().text == "in") {
          op = CompareOp::kNotIn;
          next();
        } else {
          return compare == nullptr ? first : compare;
        }
    }
    next();
    if (compare == nullptr) {
      compare = make<CompareExpr>(line);
      compare->first = first;
      RETURN_IF_ERROR(grow(compare, first));
    }
    ASSIGN_OR_RETURN(const Expr* right, sum());
    RETURN_IF_ERROR(grow(compare, right));
    compare->rest.emplace_back(op, right);
  }
}

Syntax<const Expr*> Parser::binary(BinaryOp op, const Expr* left, const Expr* right, int line) {
  auto* expr = make<BinaryExpr>(line);
  expr->op = op;
  expr->left = left;
  expr->right = right;
  RETURN_IF_ERROR(grow(expr, left));
  RETURN_IF_ERROR(grow(expr, right));
  return expr;
}

Syntax<const Expr*> Parser::sum() {
  ASSIGN_OR_RETURN(const Expr* left, concat());
  while (is(Tok::kAdd) || is(Tok::kSub)) {
    const Token& op = next();
    ASSIGN_OR_RETURN(const Expr* right, concat());
    ASSIGN_OR_RETURN(left, binary(op.kind == Tok::kAdd ? BinaryOp::kAdd : BinaryOp::kSub, left, right, op.line));
  }
  return left;
}

Syntax<const Expr*> Parser::concat() {
  ASSIGN_OR_RETURN(const Expr* first, product());
  if (!is(Tok::kTilde)) return first;
  auto* expr = make<ConcatExpr>(first->line);
  expr->items.push_back(first);
  RETURN_IF_ERROR(grow(expr, first));
  while (skip(Tok::kTilde)) {
    ASSIGN_OR_RETURN(const Expr* item, product());
    RETURN_IF_ERROR(grow(expr, item));
    expr->items.push_back(item);
  }
  return expr;
}

Syntax<const Expr*> Parser::product() {
  ASSIGN_OR_RETURN(const Expr* left, power());
  while (true) {
    BinaryOp op{};
    switch (now().kind) {
      case Tok::kMul:
        op = BinaryOp::kMul;
        break;
      case Tok::kDiv:
        op = BinaryOp::kDiv;
        break;
      case Tok::kFloorDiv:
        op = BinaryOp::kFloorDiv;
        break;
      case Tok::kMod:
        op = BinaryOp::kMod;
        break;
      default:
        return left;
    }
    const int line = next().line;
    ASSIGN_OR_RETURN(const Expr* right, power());
    ASSIGN_OR_RETURN(left, binary(op, left, right, line));
  }
}

// Groups from the left, as jinja2 does and Python does not.
Syntax<const Expr*> Parser::power() {
  ASSIGN_OR_RETURN(const Expr* left, unary());
  while (is(Tok::kPow)) {
    const int line = next().line;
    ASSIGN_OR_RETURN(const Expr* right, unary());
    ASSIGN_OR_RETURN(left, binary(BinaryOp::kPow, left, right, line));
  }
  return left;
}

Syntax<const Expr*> Parser::unary(bool with_filter) {
  const Expr* expr = nullptr;
  if (is(Tok::kAdd) || is(Tok::kSub)) {
    const Nested nested(*this);
    RETURN_IF_ERROR(check_depth());
    auto* sign = make<UnaryExpr>(now().line);
    sign->negative = next().kind == Tok::kSub;
    ASSIGN_OR_RETURN(sign->operand, unary(false));
    RETURN_IF_ERROR(grow(sign, sign->operand));
    expr = sign;
  } else {
    ASSIGN_OR_RETURN(expr, primary());
  }
  ASSIGN_OR_RETURN(expr, postfix(expr));
  return with_filter ? filters_and_tests(expr) : expr;
}

Syntax<const Expr*> Parser::primary(bool with_namespace) {
  switch (now().kind) {
    case Tok::kName:
      return name_or_constant(with_namespace);
    case Tok::kString:
      return string_constant();
    case Tok::kInteger:
    case Tok::kFloat:
      return number_constant();
    case Tok::kLBracket:
      return list_literal();
    case Tok::kLBrace:
      return dict_literal();
    case Tok::kLParen: {
      next();
      const Nested nested(*this);
      RETURN_IF_ERROR(check_depth());
      ASSIGN_OR_RETURN(const Expr* inner, tuple({.parenthesized = true}));
      RETURN_IF_ERROR(expect(Tok::kRParen, "')'"));
      return inner;
    }
    default:
      return syntax_error(Code::kCorrupt, now().line, "unexpected {}, want an expression", describe(now()));
  }
}

Syntax<const Expr*> Parser::name_or_constant(bool with_namespace) {
  const Token& token = next();
  const std::string_view text = token.text;
  const bool is_true = text == "true" || text == "True";
  const bool is_none = text == "none" || text == "None";
  if (is_true || is_none || text == "false" || text == "False") {
    auto* constant = make<ConstExpr>(token.line);
    constant->value = is_none ? Value(None{}) : Value(is_true);
    return constant;
  }
  if (with_namespace && is(Tok::kDot)) {
    next();
    auto* reference = make<NamespaceRefExpr>(token.line);
    reference->symbol = ast_.intern(text);
    ASSIGN_OR_RETURN(const Token* name, expect(Tok::kName, "an attribute's name"));
    reference->name = name->text;
    return reference;
  }
  auto* name = make<NameExpr>(token.line);
  name->symbol = ast_.intern(text);
  note_load(text);
  return name;
}

Syntax<const Expr*> Parser::string_constant() {
  auto* constant = make<ConstExpr>(now().line);
  std::string text;
  while (is(Tok::kString)) {
    const Token& token = next();
    auto part = unescape(token.text);
    if (!part) return syntax_error(Code::kCorrupt, token.line, "{}", part.error());
    text += *part;
  }
  constant->value = constant_string(std::move(text));
  return constant;
}

Syntax<const Expr*> Parser::number_constant() {
  const Token& token = next();
  auto value = parse_number(token);
  if (!value) return syntax_error(Code::kUnsupported, token.line, "{}", value.error());
  auto* constant = make<ConstExpr>(token.line);
  constant->value = *std::move(value);
  return constant;
}

Syntax<const Expr*> Parser::list_literal() {
  auto* list = make<SequenceExpr>(next().line);
  while (!is(Tok::kRBracket)) {
    if (!list->items.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
      if (is(Tok::kRBracket)) break;
    }
    ASSIGN_OR_RETURN(const Expr* item, expression());
    RETURN_IF_ERROR(grow(list, item));
    list->items.push_back(item);
  }
  next();
  return list;
}

Syntax<const Expr*> Parser::dict_literal() {
  auto* dict = make<DictExpr>(next().line);
  while (!is(Tok::kRBrace)) {
    if (!dict->entries.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
      if (is(Tok::kRBrace)) break;
    }
    ASSIGN_OR_RETURN(const Expr* key, expression());
    RETURN_IF_ERROR(expect(Tok::kColon, "':'"));
    ASSIGN_OR_RETURN(const Expr* value, expression());
    RETURN_IF_ERROR(grow(dict, key));
    RETURN_IF_ERROR(grow(dict, value));
    dict->entries.emplace_back(key, value);
  }
  next();
  return dict;
}

bool Parser::at_tuple_end(const TupleRule& rule) const {
  if (is(Tok::kVariableEnd) || is(Tok::kBlockEnd) || is(Tok::kRParen)) return true;
  return !rule.end_word.empty() && is_word(rule.end_word);
}

Syntax<const Expr*> Parser::tuple(const TupleRule& rule) {
  int line = now().line;
  std::vector<const Expr*> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
    }
    if (at_tuple_end(rule)) break;
    ASSIGN_OR_RETURN(const Expr* item,
                     rule.simplified ? primary(rule.with_namespace) : expression(rule.with_conditional));
    items.push_back(item);
    if (!is(Tok::kComma)) break;
    is_tuple = true;
    line = now().line;
  }
  if (!is_tuple && !items.empty()) return items[0];
  if (!is_tuple && !rule.parenthesized) {
    return syntax_error(Code::kCorrupt, now().line, "unexpected {}, want an expression", describe(now()));
  }
  auto* expr = make<SequenceExpr>(line);
  expr->tuple = true;
  for (const Expr* item : items) RETURN_IF_ERROR(grow(expr, item));
  expr->items = std::move(items);
  return expr;
}

}  // namespace tercet::chat
