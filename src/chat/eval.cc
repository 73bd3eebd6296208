// Expressions.
#include "chat/builtins.h"
#include "chat/interpreter.h"

namespace tercet::chat {

Status Interpreter::enter() {
  if (depth_ > budget().limits().max_depth) {
    return error(Code::kLimit, "the limit max_depth ({}) is reached", budget().limits().max_depth);
  }
  return budget().spend(1);
}

// The innermost node that fails is the one to name.
void Interpreter::blame(const Node& node) {
  if (error_line_ == 0) error_line_ = node.line;
}

Result<Value> Interpreter::eval(const Expr& expr) {
  const Deeper deeper(depth_);
  if (Status entered = enter(); !entered) {
    blame(expr);
    return tl::make_unexpected(std::move(entered).error());
  }
  Result<Value> value = eval_expression(expr);
  if (!value) blame(expr);
  return value;
}

Result<Value> Interpreter::eval_expression(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kConst:
      return static_cast<const ConstExpr&>(expr).value;
    case ExprKind::kName:
      return look_up(static_cast<const NameExpr&>(expr).symbol);
    case ExprKind::kSequence:
      return eval_sequence(static_cast<const SequenceExpr&>(expr));
    case ExprKind::kDict:
      return eval_dict(static_cast<const DictExpr&>(expr));
    case ExprKind::kUnary:
      return eval_sign(static_cast<const UnaryExpr&>(expr));
    case ExprKind::kBinary:
      return eval_binary(static_cast<const BinaryExpr&>(expr));
    case ExprKind::kLogic:
      return eval_logic(static_cast<const LogicExpr&>(expr));
    case ExprKind::kNot:
      return eval_not(static_cast<const NotExpr&>(expr));
    case ExprKind::kCompare:
      return eval_compare(static_cast<const CompareExpr&>(expr));
    case ExprKind::kConcat:
      return eval_concat(static_cast<const ConcatExpr&>(expr));
    case ExprKind::kConditional:
      return eval_conditional(static_cast<const ConditionalExpr&>(expr));
    case ExprKind::kAttribute:
      return eval_attribute(static_cast<const AttributeExpr&>(expr));
    case ExprKind::kItem:
      return eval_item(static_cast<const ItemExpr&>(expr));
    case ExprKind::kSlice:
      return eval_slice(static_cast<const SliceExpr&>(expr));
    case ExprKind::kCall:
      return eval_call(static_cast<const CallExpr&>(expr));
    case ExprKind::kFilter:
      return eval_filter(static_cast<const FilterExpr&>(expr));
    case ExprKind::kTest:
      return eval_test(static_cast<const TestExpr&>(expr));
    case ExprKind::kNamespaceRef:
      break;  // a target, never evaluated
  }
  return Value();
}

Result<Value> Interpreter::look_up(Symbol symbol) {
  uint64_t n_scope = 0;
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->names.find(symbol);
    if (++n_scope % 8 == 0) RETURN_IF_ERROR(budget().spend(1));
    if (found != scope->names.end()) return found->second;
  }
  return undefined(fmt::format("'{}' is undefined", ast_.names[symbol]));
}

Result<Value> Interpreter::eval_sign(const UnaryExpr& expr) {
  ASSIGN_OR_RETURN(const Value operand, eval(*expr.operand));
  return sign(operand, expr.negative);
}

Result<Value> Interpreter::eval_not(const NotExpr& expr) {
  ASSIGN_OR_RETURN(const Value operand, eval(*expr.operand));
  return Value(!truthy(operand));
}

Result<Value> Interpreter::eval_sequence(const SequenceExpr& expr) {
  std::vector<Value> items;
  items.reserve(expr.items.size());
  for (const Expr* item : expr.items) {
    ASSIGN_OR_RETURN(Value value, eval(*item));
    items.push_back(std::move(value));
  }
  return seq(expr.tuple ? SeqKind::kTuple : SeqKind::kList, std::move(items));
}

Result<Value> Interpreter::eval_dict(const DictExpr& expr) {
  DictObj made;
  for (const auto& [key_expr, value_expr] : expr.entries) {
    ASSIGN_OR_RETURN(Value key, eval(*key_expr));
    ASSIGN_OR_RETURN(Value value, eval(*value_expr));
    RETURN_IF_ERROR(put(made, std::move(key), std::move(value)));
  }
  return dict(std::move(made));
}

Result<Value> Interpreter::eval_binary(const BinaryExpr& expr) {
  ASSIGN_OR_RETURN(const Value left, eval(*expr.left));
  ASSIGN_OR_RETURN(const Value right, eval(*expr.right));
  return binary(expr.op, left, right);
}

Result<Value> Interpreter::eval_logic(const LogicExpr& expr) {
  ASSIGN_OR_RETURN(Value left, eval(*expr.left));
  if (truthy(left) == expr.is_or) return left;
  return eval(*expr.right);
}

Result<Value> Interpreter::eval_compare(const CompareExpr& expr) {
  ASSIGN_OR_RETURN(Value left, eval(*expr.first));
  for (const auto& [op, right_expr] : expr.rest) {
    ASSIGN_OR_RETURN(Value right, eval(*right_expr));
    ASSIGN_OR_RETURN(const bool holds, compare(op, left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::eval_concat(const ConcatExpr& expr) {
  std::string out;
  for (const Expr* item : expr.items) {
    ASSIGN_OR_RETURN(const Value value, eval(*item));
    ASSIGN_OR_RETURN(const std::string part, text(value));
    out += part;
    RETURN_IF_ERROR(budget().fits(out.size()));
  }
  return string(std::move(out));
}

Result<Value> Interpreter::eval_conditional(const ConditionalExpr& expr) {
  ASSIGN_OR_RETURN(const Value test, eval(*expr.test));
  if (truthy(test)) return eval(*expr.then);
  if (expr.otherwise != nullptr) return eval(*expr.otherwise);
  return undefined("the inline if-expression is false and has no else");
}

Result<Value> Interpreter::eval_attribute(const AttributeExpr& expr) {
  ASSIGN_OR_RETURN(const Value object, eval(*expr.object));
  if (const Loop* loop = object.as<Loop>()) return loop_attribute(*loop, expr.name);
  return attribute(object, expr.name);
}

Result<Value> Interpreter::eval_item(const ItemExpr& expr) {
  ASSIGN_OR_RETURN(const Value object, eval(*expr.object));
  ASSIGN_OR_RETURN(const Value key, eval(*expr.key));
  if (const Loop* loop = object.as<Loop>(); loop != nullptr && key.is<Str>()) return loop_attribute(*loop, *key.text());
  return item(object, key);
}

Result<Value> Interpreter::eval_slice(const SliceExpr& expr) {
  ASSIGN_OR_RETURN(const Value object, eval(*expr.object));
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expr.bounds[i] == nullptr) continue;
    ASSIGN_OR_RETURN(bounds[i], eval(*expr.bounds[i]));
    if (bounds[i].is<Undefined>()) return tl::make_unexpected(undefined_error(bounds[i]));
  }
  return slice(object, bounds[0], bounds[1], bounds[2]);
}

Result<Value> Interpreter::eval_call(const CallExpr& expr) {
  ASSIGN_OR_RETURN(const Value callee, eval(*expr.callee));
  ASSIGN_OR_RETURN(CallArgs args, arguments(expr.args));
  return call(callee, std::move(args));
}

Result<Value> Interpreter::eval_filter(const FilterExpr& expr) {
  Value input;
  if (expr.input == nullptr) {
    input = *block_texts_.back();
  } else {
    ASSIGN_OR_RETURN(input, eval(*expr.input));
  }
  ASSIGN_OR_RETURN(CallArgs args, arguments(expr.args));
  if (expr.filter == nullptr) return error(Code::kUnsupported, "filter '{}' is unknown", expr.name);
  return expr.filter->run(*this, input, std::move(args));
}

Result<Value> Interpreter::apply_filters(const Expr& filter, const Value& block_text) {
  block_texts_.push_back(&block_text);
  Result<Value> value = eval(filter);
  block_texts_.pop_back();
  return value;
}

Result<Value> Interpreter::eval_test(const TestExpr& expr) {
  ASSIGN_OR_RETURN(const Value input, eval(*expr.input));
  ASSIGN_OR_RETURN(CallArgs args, arguments(expr.args));
  if (expr.test == nullptr) return error(Code::kUnsupported, "test '{}' is unknown", expr.name);
  ASSIGN_OR_RETURN(const bool holds, expr.test->run(*this, input, std::move(args)));
  return Value(holds);
}

}  // namespace tercet::chat
