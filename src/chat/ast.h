// Owns a parsed template: the tree of statements and expressions. All nodes lie in one arena, so that a deep tree dies
// without recursion; `height` bounds how deep its evaluation goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "chat/value.h"

namespace tercet::chat {

struct Filter;  // builtins.h
struct Test;

using Symbol = uint32_t;  // index of a name in the template

struct Node {
  virtual ~Node() = default;
  int line = 0;
  int height = 1;
};

// ---- expressions

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kSequence,
  kDict,
  kUnary,
  kBinary,
  kLogic,
  kNot,
  kCompare,
  kConcat,
  kConditional,
  kAttribute,
  kItem,
  kSlice,
  kCall,
  kFilter,
  kTest,
  kNamespaceRef,
};

enum class BinaryOp : uint8_t { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expr : Node {
  explicit Expr(ExprKind k) : kind(k) {}
  ExprKind kind;
};

template <ExprKind K>
struct ExprOf : Expr {
  static constexpr ExprKind kKind = K;
  ExprOf() : Expr(K) {}
};

struct ConstExpr : ExprOf<ExprKind::kConst> {
  Value value;
};
struct NameExpr : ExprOf<ExprKind::kName> {
  Symbol symbol = 0;
};
struct SequenceExpr : ExprOf<ExprKind::kSequence> {
  bool tuple = false;
  std::vector<const Expr*> items;
};
struct DictExpr : ExprOf<ExprKind::kDict> {
  std::vector<std::pair<const Expr*, const Expr*>> entries;
};
struct UnaryExpr : ExprOf<ExprKind::kUnary> {
  bool negative = false;
  const Expr* operand = nullptr;
};
struct BinaryExpr : ExprOf<ExprKind::kBinary> {
  BinaryOp op{};
  const Expr* left = nullptr;
  const Expr* right = nullptr;
};
struct LogicExpr : ExprOf<ExprKind::kLogic> {
  bool is_or = false;
  const Expr* left = nullptr;
  const Expr* right = nullptr;
};
struct NotExpr : ExprOf<ExprKind::kNot> {
  const Expr* operand = nullptr;
};
struct CompareExpr : ExprOf<ExprKind::kCompare> {
  const Expr* first = nullptr;
  std::vector<std::pair<CompareOp, const Expr*>> rest;
};
struct ConcatExpr : ExprOf<ExprKind::kConcat> {
  std::vector<const Expr*> items;
};
struct ConditionalExpr : ExprOf<ExprKind::kConditional> {
  const Expr* test = nullptr;
  const Expr* then = nullptr;
  const Expr* otherwise = nullptr;  // may be absent
};
struct AttributeExpr : ExprOf<ExprKind::kAttribute> {
  const Expr* object = nullptr;
  std::string name;
};
struct ItemExpr : ExprOf<ExprKind::kItem> {
  const Expr* object = nullptr;
  const Expr* key = nullptr;
};
struct SliceExpr : ExprOf<ExprKind::kSlice> {
  const Expr* object = nullptr;
  const Expr* bounds[3] = {};  // start, stop, step; each may be absent
};
struct Arguments {
  std::vector<const Expr*> positional;
  std::vector<std::pair<std::string, const Expr*>> named;
  const Expr* more_positional = nullptr;  // *args
  const Expr* more_named = nullptr;       // **kwargs
};
struct CallExpr : ExprOf<ExprKind::kCall> {
  const Expr* callee = nullptr;
  Arguments args;
};
struct FilterExpr : ExprOf<ExprKind::kFilter> {
  const Expr* input = nullptr;  // absent: the text of a filter block
  std::string name;
  const Filter* filter = nullptr;  // absent: unknown, an error if it is ever run
  Arguments args;
};
struct TestExpr : ExprOf<ExprKind::kTest> {
  const Expr* input = nullptr;
  std::string name;
  const Test* test = nullptr;
  Arguments args;
};
// `ns.name` as the target of a set.
struct NamespaceRefExpr : ExprOf<ExprKind::kNamespaceRef> {
  Symbol symbol = 0;
  std::string name;
};

// ---- statements

enum class StmtKind : uint8_t {
  kText,
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kScope,
  kBreak,
  kContinue,
};

struct Stmt : Node {
  explicit Stmt(StmtKind k) : kind(k) {}
  StmtKind kind;
};

template <StmtKind K>
struct StmtOf : Stmt {
  static constexpr StmtKind kKind = K;
  StmtOf() : Stmt(K) {}
};

using Body = std::vector<const Stmt*>;

struct TextStmt : StmtOf<StmtKind::kText> {
  std::string_view text;  // of the template's source
};
struct OutputStmt : StmtOf<StmtKind::kOutput> {
  const Expr* value = nullptr;
};
struct IfStmt : StmtOf<StmtKind::kIf> {
  std::vector<std::pair<const Expr*, Body>> branches;
  Body otherwise;
};
struct ForStmt : StmtOf<StmtKind::kFor> {
  const Expr* target = nullptr;
  const Expr* iterable = nullptr;
  const Expr* test = nullptr;  // may be absent
  bool recursive = false;
  Body body;
  Body otherwise;
};
struct SetStmt : StmtOf<StmtKind::kSet> {
  const Expr* target = nullptr;
  const Expr* value = nullptr;
};
struct SetBlockStmt : StmtOf<StmtKind::kSetBlock> {
  const Expr* target = nullptr;
  const Expr* filter = nullptr;  // may be absent
  Body body;
};
struct MacroDef {
  std::string name;  // empty: the body of a call block
  struct Parameter {
    Symbol symbol;
    std::string name;
    const Expr* fallback;  // may be absent
  };
  std::vector<Parameter> parameters;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
  Body body;
};
struct MacroStmt : StmtOf<StmtKind::kMacro> {
  Symbol symbol = 0;
  MacroDef macro;
};
struct CallBlockStmt : StmtOf<StmtKind::kCallBlock> {
  MacroDef caller;
  const CallExpr* call = nullptr;
};
struct FilterBlockStmt : StmtOf<StmtKind::kFilterBlock> {
  const Expr* filter = nullptr;
  Body body;
};
struct WithStmt : StmtOf<StmtKind::kWith> {
  std::vector<std::pair<const Expr*, const Expr*>> bindings;  // target, value
  Body body;
};
// A body with names of its own: {% generation %}.
struct ScopeStmt : StmtOf<StmtKind::kScope> {
  Body body;
};
struct BreakStmt : StmtOf<StmtKind::kBreak> {};
struct ContinueStmt : StmtOf<StmtKind::kContinue> {};

struct Ast {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::string> names;  // by symbol
  std::unordered_map<std::string, Symbol> symbols;
  Body body;

  Symbol intern(std::string_view name) {
    const auto [it, added] = symbols.emplace(name, static_cast<Symbol>(names.size()));
    if (added) names.emplace_back(name);
    return it->second;
  }
};

}  // namespace tercet::chat
