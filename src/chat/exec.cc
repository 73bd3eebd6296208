// Statements.
#include "chat/interpreter.h"

namespace tercet::chat {

Result<ScopePtr> Interpreter::new_scope(const ScopePtr& parent) {
  auto scope = std::make_shared<Scope>();
  RETURN_IF_ERROR(scope->charge.grow(budget(), sizeof(Scope)));
  scope->parent = parent;
  return scope;
}

Status Interpreter::emit(std::string_view text) {
  const uint64_t limit = budget().limits().max_output_bytes;
  if (text.size() > limit - std::min<uint64_t>(limit, output_->text.size())) {
    return error(Code::kLimit, "the limit max_output_bytes ({}) is reached", limit);
  }
  RETURN_IF_ERROR(output_->charge.grow(budget(), text.size()));
  RETURN_IF_ERROR(budget().spend(text.size() / 64));
  output_->text += text;
  return {};
}

// jinja2 does not print what a block gives: it has to be a str.
Status Interpreter::emit_block(std::string_view tag, const Value& value) {
  if (value.text() == nullptr) return wrong("tag '{}' gives a value of type {}, want str", tag, type_name(value));
  return emit(*value.text());
}

Status Interpreter::store(Symbol symbol, const Value& value) {
  const auto [place, added] = scope_->names.insert_or_assign(symbol, value);
  return added ? scope_->charge.grow(budget(), 2 * sizeof(Value)) : Status();
}

Status Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::kName) return store(static_cast<const NameExpr&>(target).symbol, value);
  if (target.kind == ExprKind::kNamespaceRef) {
    const auto& reference = static_cast<const NamespaceRefExpr&>(target);
    ASSIGN_OR_RETURN(const Value object, look_up(reference.symbol));
    const Namespace* space = object.as<Namespace>();
    if (space == nullptr)
      return wrong("'{}' is no namespace: its attributes can't be set", ast_.names[reference.symbol]);
    NamespaceObj& attributes = **space;
    RETURN_IF_ERROR(budget().spend(attributes.attributes.size() / 16));
    if (const Value* old = attributes.find(reference.name)) {
      const_cast<Value&>(*old) = value;
      return {};
    }
    attributes.attributes.emplace_back(reference.name, value);
    return attributes.charge.grow(budget(), sizeof(Value) + reference.name.size());
  }
  const auto& items = static_cast<const SequenceExpr&>(target).items;
  ASSIGN_OR_RETURN(const std::vector<Value> values, iterate(value));
  if (values.size() != items.size()) return wrong("{} values to unpack, want {}", values.size(), items.size());
  for (size_t i = 0; i < items.size(); ++i) RETURN_IF_ERROR(assign(*items[i], values[i]));
  return {};
}

Result<Interpreter::Flow> Interpreter::exec(const Body& body) {
  for (const Stmt* stmt : body) {
    ASSIGN_OR_RETURN(const Flow flow, exec(*stmt));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::exec(const Stmt& stmt) {
  const Deeper deeper(depth_);
  if (Status entered = enter(); !entered) {
    blame(stmt);
    return tl::make_unexpected(std::move(entered).error());
  }
  Result<Flow> flow = exec_statement(stmt);
  if (!flow) blame(stmt);
  return flow;
}

// Each kind has a function of its own, so that this frame stays small: templates nest through it.
Result<Interpreter::Flow> Interpreter::exec_statement(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kText:
      return then_next(emit(static_cast<const TextStmt&>(stmt).text));
    case StmtKind::kOutput:
      return then_next(exec_output(static_cast<const OutputStmt&>(stmt)));
    case StmtKind::kIf:
      return exec_if(static_cast<const IfStmt&>(stmt));
    case StmtKind::kFor:
      return exec_for(static_cast<const ForStmt&>(stmt));
    case StmtKind::kSet:
      return then_next(exec_set(static_cast<const SetStmt&>(stmt)));
    case StmtKind::kSetBlock:
      return exec_set_block(static_cast<const SetBlockStmt&>(stmt));
    case StmtKind::kMacro:
      return then_next(exec_macro(static_cast<const MacroStmt&>(stmt)));
    case StmtKind::kCallBlock:
      return then_next(exec_call_block(static_cast<const CallBlockStmt&>(stmt)));
    case StmtKind::kFilterBlock:
      return exec_filter_block(static_cast<const FilterBlockStmt&>(stmt));
    case StmtKind::kWith:
      return exec_with(static_cast<const WithStmt&>(stmt));
    case StmtKind::kScope:
      return exec_scope(static_cast<const ScopeStmt&>(stmt));
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::then_next(Status status) {
  return std::move(status).map([] { return Flow::kNext; });
}

Status Interpreter::exec_output(const OutputStmt& stmt) {
  ASSIGN_OR_RETURN(const Value value, eval(*stmt.value));
  ASSIGN_OR_RETURN(const std::string shown, text(value));
  return emit(shown);
}

Status Interpreter::exec_set(const SetStmt& stmt) {
  ASSIGN_OR_RETURN(const Value value, eval(*stmt.value));
  return assign(*stmt.target, value);
}

Status Interpreter::exec_macro(const MacroStmt& stmt) {
  ASSIGN_OR_RETURN(const Value made, make_macro(stmt.macro));
  return store(stmt.symbol, made);
}

Result<Interpreter::Flow> Interpreter::exec_if(const IfStmt& stmt) {
  for (const auto& [condition, body] : stmt.branches) {
    ASSIGN_OR_RETURN(const Value test, eval(*condition));
    if (truthy(test)) return exec(body);
  }
  return exec(stmt.otherwise);
}

Result<Interpreter::Flow> Interpreter::exec_for(const ForStmt& stmt) {
  ASSIGN_OR_RETURN(const Value iterable, eval(*stmt.iterable));
  return run_loop(stmt, iterable, 0, scope_);
}

Result<Interpreter::Flow> Interpreter::run_loop(const ForStmt& stmt, const Value& iterable, int depth0,
                                                const ScopePtr& outer) {
  const Within restore(*this, outer);
  auto loop = std::make_shared<LoopObj>();
  std::optional<Error> late;  // of an iterator, once its items are through
  if (const Iter* iter = iterable.as<Iter>()) {
    late = std::exchange((*iter)->error, std::nullopt);
  }
  ASSIGN_OR_RETURN(loop->source, iterate(iterable));
  loop->depth = depth_of(iterable) + 1;
  RETURN_IF_ERROR(loop->charge.grow(budget(), 2 * loop->source.size() * sizeof(Value)));
  loop->depth0 = depth0;
  loop->stmt = &stmt;
  loop->outer = outer;
  if (stmt.test == nullptr) {
    loop->items = std::move(loop->source);
    loop->source.clear();
  }
  // What outlives the loop must not keep its surroundings alive.
  struct Unlink {
    LoopObj& loop;
    ~Unlink() { loop.outer = nullptr; }
  } const unlink{*loop};

  const auto symbol = ast_.symbols.find("loop");
  // jinja2 runs the else unless some turn came to its end: one that a break or continue cuts short does not count.
  bool completed = false;
  for (size_t index = 0;; ++index) {
    ASSIGN_OR_RETURN(const bool more, fill(*loop, index));
    if (!more) break;
    RETURN_IF_ERROR(budget().spend(1));
    loop->index0 = index;
    ASSIGN_OR_RETURN(ScopePtr turn, new_scope(outer));
    const Within within(*this, std::move(turn));
    RETURN_IF_ERROR(assign(*stmt.target, loop->items[index]));
    if (symbol != ast_.symbols.end()) RETURN_IF_ERROR(store(symbol->second, Value(Loop(loop))));
    ASSIGN_OR_RETURN(const Flow flow, exec(stmt.body));
    completed = completed || flow == Flow::kNext;
    if (flow == Flow::kBreak) {
      late.reset();
      break;
    }
  }
  if (late) return tl::make_unexpected(*std::move(late));
  if (completed || stmt.otherwise.empty()) return Flow::kNext;
  ASSIGN_OR_RETURN(ScopePtr inner, new_scope(outer));
  const Within within(*this, std::move(inner));
  return exec(stmt.otherwise);
}

Result<Interpreter::Flow> Interpreter::capture(const Body& body, const ScopePtr& scope, std::string& text) {
  Output captured;
  Output* const outer = std::exchange(output_, &captured);
  Result<Flow> flow = [&]() -> Result<Flow> {
    const Within within(*this, scope);
    return exec(body);
  }();
  output_ = outer;
  if (flow) text = std::move(captured.text);
  return flow;
}

Result<Interpreter::Flow> Interpreter::exec_set_block(const SetBlockStmt& stmt) {
  ASSIGN_OR_RETURN(const ScopePtr inner, new_scope(scope_));
  std::string body;
  ASSIGN_OR_RETURN(const Flow flow, capture(stmt.body, inner, body));
  if (flow != Flow::kNext) return flow;
  ASSIGN_OR_RETURN(Value value, string(std::move(body)));
  if (stmt.filter != nullptr) {
    const Within within(*this, inner);
    ASSIGN_OR_RETURN(value, apply_filters(*stmt.filter, value));
  }
  RETURN_IF_ERROR(assign(*stmt.target, value));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::exec_filter_block(const FilterBlockStmt& stmt) {
  ASSIGN_OR_RETURN(const ScopePtr inner, new_scope(scope_));
  std::string body;
  ASSIGN_OR_RETURN(const Flow flow, capture(stmt.body, inner, body));
  if (flow != Flow::kNext) return flow;
  ASSIGN_OR_RETURN(Value value, string(std::move(body)));
  const Within within(*this, inner);
  ASSIGN_OR_RETURN(value, apply_filters(*stmt.filter, value));
  RETURN_IF_ERROR(emit_block("filter", value));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::exec_with(const WithStmt& stmt) {
  ASSIGN_OR_RETURN(const ScopePtr inner, new_scope(scope_));
  for (const auto& [target, value_expr] : stmt.bindings) {
    ASSIGN_OR_RETURN(const Value value, eval(*value_expr));
    const Within within(*this, inner);
    RETURN_IF_ERROR(assign(*target, value));
  }
  const Within within(*this, inner);
  return exec(stmt.body);
}

Result<Interpreter::Flow> Interpreter::exec_scope(const ScopeStmt& stmt) {
  ASSIGN_OR_RETURN(ScopePtr inner, new_scope(scope_));
  const Within within(*this, std::move(inner));
  return exec(stmt.body);
}

Status Interpreter::exec_call_block(const CallBlockStmt& stmt) {
  ASSIGN_OR_RETURN(const Value caller, make_macro(stmt.caller));
  ASSIGN_OR_RETURN(const Value callee, eval(*stmt.call->callee));
  ASSIGN_OR_RETURN(CallArgs args, arguments(stmt.call->args));
  if (args.find("caller") != nullptr) return wrong("argument 'caller' is there twice");
  args.named.emplace_back("caller", caller);
  ASSIGN_OR_RETURN(const Value value, call(callee, std::move(args)));
  return emit_block("call", value);
}

}  // namespace tercet::chat
