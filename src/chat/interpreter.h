// Owns one render: the walk over a template's tree with its scopes, its output and its budget.
#pragma once

#include <boost/json/value.hpp>
#include <ctime>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/ast.h"
#include "chat/runtime.h"

namespace tercet::chat {

// The names of a template, a macro's call or a loop's turn; what is not here is looked up in the parent.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::unordered_map<Symbol, Value> names;
  Charge charge;
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter : public Runtime {
 public:
  // `now` is what strftime_now tells. All three outlive the interpreter.
  Interpreter(const Ast& ast, Budget& budget, const std::tm& now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Result<std::string> run(const boost::json::object& context);
  // The line that the error of run() speaks of.
  int error_line() const { return error_line_; }

  // globals.cc
  Result<Value> make_namespace(CallArgs args);
  Result<Value> make_dict(CallArgs args);
  Result<Value> format_now(CallArgs args);

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  struct Deeper {
    explicit Deeper(uint32_t& d, uint32_t n = 1) : depth(d), levels(n) { depth += levels; }
    ~Deeper() { depth -= levels; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    uint32_t& depth;
    uint32_t levels;
  };
  // Makes `scope` the current one while it lives.
  struct Within {
    Within(Interpreter& i, ScopePtr scope) : interpreter(i), saved(std::exchange(i.scope_, std::move(scope))) {}
    ~Within() { interpreter.scope_ = std::move(saved); }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;
    Interpreter& interpreter;
    ScopePtr saved;
  };
  struct Output {
    std::string text;
    Charge charge;
  };

  Status enter();
  void blame(const Node& node);

  // statements: exec.cc
  Result<Flow> exec(const Body& body);
  Result<Flow> exec(const Stmt& stmt);
  Result<Flow> exec_statement(const Stmt& stmt);
  static Result<Flow> then_next(Status status);
  Status exec_output(const OutputStmt& stmt);
  Status exec_set(const SetStmt& stmt);
  Status exec_macro(const MacroStmt& stmt);
  Result<Flow> exec_if(const IfStmt& stmt);
  Result<Flow> exec_for(const ForStmt& stmt);
  Result<Flow> exec_filter_block(const FilterBlockStmt& stmt);
  Result<Flow> exec_scope(const ScopeStmt& stmt);
  Result<Flow> exec_with(const WithStmt& stmt);
  Result<Flow> exec_set_block(const SetBlockStmt& stmt);
  Status exec_call_block(const CallBlockStmt& stmt);
  Result<Flow> run_loop(const ForStmt& stmt, const Value& iterable, int depth0, const ScopePtr& outer);
  // The output of a body in a scope; no text when a break or continue leaves it.
  Result<Flow> capture(const Body& body, const ScopePtr& scope, std::string& text);
  Status emit(std::string_view text);
  Status emit_block(std::string_view tag, const Value& value);
  Result<ScopePtr> new_scope(const ScopePtr& parent);
  Status assign(const Expr& target, const Value& value);
  Status store(Symbol symbol, const Value& value);

  // calls, macros and `loop`: calls.cc
  Result<CallArgs> arguments(const Arguments& args);
  Result<Value> call(const Value& callee, CallArgs args);
  Result<Value> make_macro(const MacroDef& macro);
  Result<Value> call_macro(const MacroDef& macro, const ScopePtr& closure, CallArgs args);
  Status bind_parameters(const MacroDef& macro, Scope& scope, CallArgs& args, std::vector<bool>& given);
  Status bind_rest(const MacroDef& macro, Scope& scope, CallArgs& args);
  Result<bool> fill(LoopObj& loop, size_t index);
  Result<Value> loop_attribute(const Loop& loop, std::string_view name);
  Result<Value> loop_cycle(const Loop& loop);
  Result<Value> loop_changed(const Loop& loop);
  Result<Value> loop_again(const Loop& loop, CallArgs args);

  // expressions: eval.cc
  Result<Value> eval(const Expr& expr);
  Result<Value> eval_expression(const Expr& expr);
  Result<Value> look_up(Symbol symbol);
  Result<Value> eval_sign(const UnaryExpr& expr);
  Result<Value> eval_not(const NotExpr& expr);
  Result<Value> eval_sequence(const SequenceExpr& expr);
  Result<Value> eval_dict(const DictExpr& expr);
  Result<Value> eval_binary(const BinaryExpr& expr);
  Result<Value> eval_logic(const LogicExpr& expr);
  Result<Value> eval_compare(const CompareExpr& expr);
  Result<Value> eval_concat(const ConcatExpr& expr);
  Result<Value> eval_conditional(const ConditionalExpr& expr);
  Result<Value> eval_attribute(const AttributeExpr& expr);
  Result<Value> eval_item(const ItemExpr& expr);
  Result<Value> eval_slice(const SliceExpr& expr);
  Result<Value> eval_call(const CallExpr& expr);
  Result<Value> eval_filter(const FilterExpr& expr);
  // A filter, or a chain of them, on the text of a block.
  Result<Value> apply_filters(const Expr& filter, const Value& block_text);
  Result<Value> eval_test(const TestExpr& expr);

  // globals.cc
  Status set_globals(Scope& scope);
  Result<Value> from_json(const boost::json::value& json, int depth);
  void keep(std::shared_ptr<NamespaceObj> object) { namespaces_.push_back(std::move(object)); }

  const Ast& ast_;
  const std::tm& now_;
  ScopePtr scope_;
  Output* output_ = nullptr;
  uint32_t depth_ = 0;
  int error_line_ = 0;
  // Namespaces and the scopes that macros captured may hold each other in a ring; the render's end empties them.
  std::vector<std::shared_ptr<NamespaceObj>> namespaces_;
  std::vector<ScopePtr> captured_;
  std::vector<const Value*> block_texts_;  // of the filter blocks being applied
};

}  // namespace tercet::chat
