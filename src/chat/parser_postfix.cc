// What follows an expression: members, calls, filters and tests.
#include <algorithm>

#include "chat/builtins.h"
#include "chat/parser.h"

namespace tercet::chat {

Syntax<const Expr*> Parser::postfix(const Expr* expr) {
  while (true) {
    if (is(Tok::kDot)) {
      ASSIGN_OR_RETURN(expr, attribute(expr));
    } else if (is(Tok::kLBracket)) {
      ASSIGN_OR_RETURN(expr, subscript(expr));
    } else if (is(Tok::kLParen)) {
      ASSIGN_OR_RETURN(expr, call(expr));
    } else {
      return expr;
    }
  }
}

Syntax<const Expr*> Parser::filters_and_tests(const Expr* expr) {
  while (true) {
    if (is(Tok::kPipe)) {
      ASSIGN_OR_RETURN(expr, filter_chain(expr, false));
    } else if (is_word("is")) {
      ASSIGN_OR_RETURN(expr, test(expr));
    } else if (is(Tok::kLParen)) {
      ASSIGN_OR_RETURN(expr, call(expr));
    } else {
      return expr;
    }
  }
}

Syntax<const Expr*> Parser::attribute(const Expr* object) {
  const int line = next().line;
  const Token& name = next();
  if (name.kind == Tok::kName) {
    auto* expr = make<AttributeExpr>(line);
    expr->object = object;
    expr->name = name.text;
    RETURN_IF_ERROR(grow(expr, object));
    return expr;
  }
  if (name.kind != Tok::kInteger) {
    return syntax_error(Code::kCorrupt, name.line, "unexpected {}, want a name or a number after '.'", describe(name));
  }
  auto number = parse_number(name);
  if (!number) return syntax_error(Code::kUnsupported, name.line, "{}", number.error());
  auto* key = make<ConstExpr>(name.line);
  key->value = *std::move(number);
  auto* expr = make<ItemExpr>(line);
  expr->object = object;
  expr->key = key;
  RETURN_IF_ERROR(grow(expr, object));
  return expr;
}

Syntax<const Expr*> Parser::slice(const Expr* object, const Expr* start, int line) {
  auto* expr = make<SliceExpr>(line);
  expr->object = object;
  expr->bounds[0] = start;
  for (int i = 1; i < 3 && skip(Tok::kColon); ++i) {
    if (is(Tok::kColon) || is(Tok::kRBracket)) continue;
    ASSIGN_OR_RETURN(expr->bounds[i], expression());
  }
  RETURN_IF_ERROR(expect(Tok::kRBracket, "']'"));
  RETURN_IF_ERROR(grow(expr, object));
  for (const Expr* bound : expr->bounds) {
    if (bound != nullptr) RETURN_IF_ERROR(grow(expr, bound));
  }
  return expr;
}

Syntax<const Expr*> Parser::subscript(const Expr* object) {
  const int line = next().line;
  if (is(Tok::kColon)) return slice(object, nullptr, line);
  std::vector<const Expr*> keys;
  while (!is(Tok::kRBracket)) {
    if (!keys.empty()) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
    }
    ASSIGN_OR_RETURN(const Expr* key, expression());
    if (is(Tok::kColon) && keys.empty()) return slice(object, key, line);
    keys.push_back(key);
  }
  next();
  auto* expr = make<ItemExpr>(line);
  expr->object = object;
  RETURN_IF_ERROR(grow(expr, object));
  if (keys.size() == 1) {
    expr->key = keys[0];
  } else {
    auto* tuple_key = make<SequenceExpr>(line);
    tuple_key->tuple = true;
    for (const Expr* key : keys) RETURN_IF_ERROR(grow(tuple_key, key));
    tuple_key->items = std::move(keys);
    expr->key = tuple_key;
  }
  RETURN_IF_ERROR(grow(expr, expr->key));
  return expr;
}

Syntax<void> Parser::argument(Arguments& args, Node* owner) {
  const int line = now().line;
  const auto add = [&](const Expr*& place, bool allowed) -> Syntax<void> {
    if (!allowed) return syntax_error(Code::kCorrupt, line, "the arguments of a call are out of order");
    ASSIGN_OR_RETURN(place, expression());
    return grow(owner, place);
  };
  if (skip(Tok::kMul)) return add(args.more_positional, args.more_positional == nullptr && args.more_named == nullptr);
  if (skip(Tok::kPow)) return add(args.more_named, args.more_named == nullptr);
  const Expr* value = nullptr;
  if (is(Tok::kName) && look().kind == Tok::kAssign) {
    const std::string name(next().text);
    next();
    RETURN_IF_ERROR(add(value, args.more_named == nullptr));
    const bool twice =
        std::any_of(args.named.begin(), args.named.end(), [&](const auto& n) { return n.first == name; });
    if (twice) return syntax_error(Code::kCorrupt, line, "argument '{}' is there twice", name);
    args.named.emplace_back(name, value);
    return {};
  }
  RETURN_IF_ERROR(add(value, args.more_positional == nullptr && args.more_named == nullptr && args.named.empty()));
  args.positional.push_back(value);
  return {};
}

Syntax<void> Parser::arguments(Arguments& args, Node* owner) {
  RETURN_IF_ERROR(expect(Tok::kLParen, "'('"));
  for (bool first = true; !is(Tok::kRParen); first = false) {
    if (!first) {
      RETURN_IF_ERROR(expect(Tok::kComma, "','"));
      if (is(Tok::kRParen)) break;
    }
    RETURN_IF_ERROR(argument(args, owner));
  }
  next();
  return {};
}

Syntax<const CallExpr*> Parser::call(const Expr* callee) {
  auto* expr = make<CallExpr>(now().line);
  expr->callee = callee;
  RETURN_IF_ERROR(grow(expr, callee));
  RETURN_IF_ERROR(arguments(expr->args, expr));
  return expr;
}

Syntax<std::string> Parser::dotted_name() {
  ASSIGN_OR_RETURN(const Token* first, expect(Tok::kName, "a name"));
  std::string name(first->text);
  while (skip(Tok::kDot)) {
    ASSIGN_OR_RETURN(const Token* part, expect(Tok::kName, "a name"));
    name += fmt::format(".{}", part->text);
  }
  return name;
}

Syntax<const Expr*> Parser::filter_chain(const Expr* input, bool start_inline) {
  while (start_inline || skip(Tok::kPipe)) {
    start_inline = false;
    auto* expr = make<FilterExpr>(now().line);
    expr->input = input;
    if (input != nullptr) RETURN_IF_ERROR(grow(expr, input));
    ASSIGN_OR_RETURN(expr->name, dotted_name());
    expr->filter = find_filter(expr->name);
    if (expr->filter == nullptr && !around_.checks_late) {
      unknown_.push_back({Code::kUnsupported, fmt::format("filter '{}' is unknown", expr->name), expr->line});
    }
    if (is(Tok::kLParen)) RETURN_IF_ERROR(arguments(expr->args, expr));
    input = expr;
  }
  return input;
}

Syntax<const Expr*> Parser::test(const Expr* input) {
  auto* expr = make<TestExpr>(next().line);
  const bool negated = skip_word("not");
  expr->input = input;
  RETURN_IF_ERROR(grow(expr, input));
  ASSIGN_OR_RETURN(expr->name, dotted_name());
  expr->test = find_test(expr->name);
  if (expr->test == nullptr && !around_.checks_late) {
    unknown_.push_back({Code::kUnsupported, fmt::format("test '{}' is unknown", expr->name), expr->line});
  }
  const Tok kind = now().kind;
  const bool argument_follows = kind == Tok::kName || kind == Tok::kString || kind == Tok::kInteger ||
                                kind == Tok::kFloat || kind == Tok::kLBracket || kind == Tok::kLBrace;
  if (kind == Tok::kLParen) {
    RETURN_IF_ERROR(arguments(expr->args, expr));
  } else if (argument_follows && !is_word("else") && !is_word("or") && !is_word("and")) {
    if (is_word("is")) return syntax_error(Code::kCorrupt, now().line, "tests can't be chained with 'is'");
    const Nested nested(*this);
    RETURN_IF_ERROR(check_depth());
    ASSIGN_OR_RETURN(const Expr* argument, primary());
    ASSIGN_OR_RETURN(argument, postfix(argument));
    RETURN_IF_ERROR(grow(expr, argument));
    expr->args.positional.push_back(argument);
  }
  if (!negated) return expr;
  auto* negation = make<NotExpr>(expr->line);
  negation->operand = expr;
  RETURN_IF_ERROR(grow(negation, expr));
  return negation;
}

}  // namespace tercet::chat
