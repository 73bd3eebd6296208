// Owns the services that operators, filters, tests and methods share: making values within the budget, str() and
// iteration, attributes and items as the sandbox gives them, and Python's operators.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/ast.h"
#include "chat/limits.h"
#include "chat/print.h"
#include "chat/value.h"

namespace tercet::chat {

template <typename... Args>
[[nodiscard]] tl::unexpected<Error> wrong(fmt::format_string<Args...> format, Args&&... args) {
  return error(Code::kInvalidArgument, format, std::forward<Args>(args)...);
}

class Runtime {
 public:
  explicit Runtime(Budget& budget) : budget_(budget) {}

  Budget& budget() { return budget_; }

  // runtime.cc: making values. Errors: kLimit.
  Result<Value> string(std::string text, bool markup = false);
  Result<Value> seq(SeqKind kind, std::vector<Value> items);
  Result<Value> list(std::vector<Value> items) { return seq(SeqKind::kList, std::move(items)); }
  Result<Value> tuple(std::vector<Value> items) { return seq(SeqKind::kTuple, std::move(items)); }
  Result<Value> range(Int start, Int stop, Int step);
  Result<Value> dict(DictObj dict);
  // The items of a walk that ends with `error`, if there is one.
  Result<Value> iterator(std::vector<Value> items, std::optional<Error> error = {});
  Result<Value> callable(std::string name, decltype(CallableObj::run) run, int depth = 1, bool macro = false,
                         std::vector<std::pair<std::string, Value>> attributes = {});
  static Value undefined(std::string why);
  // Adds to a dict under construction. Errors: a key that has no hash; kLimit.
  Status put(DictObj& dict, Value key, Value value);

  // str(). Errors: kLimit.
  Result<std::string> text(const Value& value) { return to_text(value, budget_); }
  // All items; an iterator is used up. Errors: kInvalidArgument when it has none.
  Result<std::vector<Value>> iterate(const Value& value);
  Result<std::vector<Value>> characters(const std::string& text, bool markup);
  // What an undefined value answers to anything but printing and testing.
  static Error undefined_error(const Value& value);

  // access.cc
  Result<Value> attribute(const Value& object, std::string_view name);
  Result<Value> item(const Value& object, const Value& key);
  // Bounds are undefined where they are left out.
  Result<Value> slice(const Value& object, const Value& start, const Value& stop, const Value& step);
  Result<bool> contains(const Value& container, const Value& item);

  // operators.cc
  Result<Value> binary(BinaryOp op, const Value& a, const Value& b);
  Result<Value> sign(const Value& value, bool negative);
  Result<bool> compare(CompareOp op, const Value& a, const Value& b);
  // a < b. Errors: the types have no order.
  Result<bool> less(const Value& a, const Value& b);
  // Stable. Errors: from less.
  Status sort(std::vector<Value>& items, std::vector<Value> keys, bool reverse);

 private:
  Result<Value> add(const Value& a, const Value& b);
  Result<Value> multiply(const Value& a, const Value& b);
  Result<Value> repeat(const Value& sequence, Int times);
  Result<Value> python_attribute(const Value& object, std::string_view name, bool& found);

  Budget& budget_;
};

// Names of a function's parameters, in order; one that is `required` comes with `!` after it, and those before `/`
// can't be given by name.
class Bound {
 public:
  // Errors: too many or unknown arguments, a missing one.
  static Result<Bound> bind(std::string_view function, CallArgs args,
                            std::initializer_list<std::string_view> parameters);

  // The argument, or nullptr if it was not given.
  const Value* get(size_t i) const { return given_[i] ? &*given_[i] : nullptr; }
  bool has(size_t i) const { return given_[i].has_value(); }
  // Not given, or None.
  bool none(size_t i) const { return !given_[i] || given_[i]->is<None>(); }
  bool flag(size_t i, bool fallback) const { return given_[i] ? truthy(*given_[i]) : fallback; }
  Result<Int> integer(size_t i, Int fallback) const;
  // The text of a str.
  Result<std::string> string(size_t i, std::string_view fallback = {}) const;

 private:
  std::string function_;
  std::vector<std::string> names_;
  std::vector<std::optional<Value>> given_;
};

}  // namespace tercet::chat
