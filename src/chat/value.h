// Owns the values of a template: Python's None, bool, int, float, str, list, tuple, dict and their like, with Python's
// truth, equality, order and hash. All but namespaces and iterators are immutable once made, as the sandbox has it, so
// a value can contain neither itself nor more than kMaxValueDepth levels.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "chat/limits.h"

namespace tercet::chat {

// Python's int, as far as 128 bits go; beyond is an error. JSON's uint64 fits beside the negative ones.
using Int = __int128;

struct StrObj;
struct SeqObj;
struct DictObj;
struct IterObj;
struct NamespaceObj;
struct LoopObj;
struct CallableObj;

// What a missing name or member gives: it prints as nothing and is false; to use it further is the error `why`.
struct Undefined {
  std::shared_ptr<const std::string> why;
};
struct None {};

using Str = std::shared_ptr<const StrObj>;
using Seq = std::shared_ptr<const SeqObj>;
using Dict = std::shared_ptr<const DictObj>;
using Iter = std::shared_ptr<IterObj>;
using Namespace = std::shared_ptr<NamespaceObj>;
using Loop = std::shared_ptr<LoopObj>;
using Callable = std::shared_ptr<const CallableObj>;

template <typename T, typename... Kinds>
concept OneOf = (std::same_as<T, Kinds> || ...);
template <typename T>
concept ValueKind = OneOf<T, Undefined, None, bool, Int, double, Str, Seq, Dict, Iter, Namespace, Loop, Callable>;

class Value {
 public:
  using Variant = std::variant<Undefined, None, bool, Int, double, Str, Seq, Dict, Iter, Namespace, Loop, Callable>;

  Value() = default;  // undefined, without a reason
  template <ValueKind T>
  explicit Value(T value) : v_(std::in_place_type<T>, std::move(value)) {}
  static Value integer(int64_t value) { return Value(Int{value}); }

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(v_);
  }
  template <typename T>
  const T* as() const {
    return std::get_if<T>(&v_);
  }
  const Variant& variant() const { return v_; }

  // The text of a str, or nullptr.
  const std::string* text() const;
  bool is_markup() const;
  // An int, or a bool as Python counts it.
  std::optional<Int> as_int() const;
  // An int, bool or float as a double.
  std::optional<double> as_number() const;

 private:
  Variant v_;
};

struct StrObj {
  std::string text;
  bool markup = false;  // marked as safe: adding to it escapes (markupsafe.Markup)
  bool ascii = true;    // code points are bytes
  Charge charge;
};

enum class SeqKind : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kGroup };

struct SeqObj {
  SeqKind kind = SeqKind::kList;
  std::vector<Value> items;
  Int start = 0, stop = 0, step = 1;  // of a range
  int depth = 1;
  uint64_t weight = 1;  // what it costs to walk all of it
  Charge charge;
};

struct ValueHash {
  size_t operator()(const Value& value) const;
};
struct ValueEqual {
  bool operator()(const Value& a, const Value& b) const;
};

// Keeps the order of insertion.
struct DictObj {
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_map<Value, size_t, ValueHash, ValueEqual> index;  // of entries; empty while there are few
  int depth = 1;
  uint64_t weight = 1;
  Charge charge;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  // Adds, or replaces the value and keeps the place. The key is hashable.
  void set(Value key, Value value);
};

// What map, select and their like return: it is walked once. An error on the way is raised when the walk reaches it.
struct IterObj {
  std::vector<Value> items;
  size_t next = 0;
  std::optional<Error> error;
  int depth = 1;
  uint64_t weight = 1;
  Charge charge;
};

struct NamespaceObj {
  std::vector<std::pair<std::string, Value>> attributes;
  Charge charge;

  const Value* find(std::string_view name) const;
};

class Interpreter;

struct CallArgs {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
};

struct CallableObj {
  std::string name;
  bool macro = false;
  std::function<Result<Value>(Interpreter&, CallArgs)> run;
  std::vector<std::pair<std::string, Value>> attributes;
  int depth = 1;
  Charge charge;
};

struct ForStmt;
struct Scope;

// The variable `loop`. With a test, items are taken from the source only as they are needed: the test may look at what
// the body has done.
struct LoopObj {
  std::vector<Value> source;
  size_t next_source = 0;
  std::vector<Value> items;  // of the source, those that passed
  size_t index0 = 0;
  int depth0 = 0;
  const ForStmt* stmt = nullptr;
  std::shared_ptr<Scope> outer;  // while the loop runs
  std::optional<std::vector<Value>> last_changed;
  int depth = 1;
  Charge charge;
};

// Python's name of the type, as messages have it.
std::string_view type_name(const Value& value);
bool truthy(const Value& value);
// Walks both; a value's weight bounds the walk.
bool equals(const Value& a, const Value& b);
bool same(const Value& a, const Value& b);  // the operator `is`
bool hashable(const Value& value);
size_t hash_value(const Value& value);
// < 0, 0, > 0; nothing when Python has no order for the two. `unordered` results (NaN) come as 2.
std::optional<int> order(const Value& a, const Value& b);
int compare_numbers(const Value& a, const Value& b);  // both numbers; 2 if unordered

int depth_of(const Value& value);
uint64_t weight_of(const Value& value);
// The length, as len() has it; nothing for what has none.
std::optional<size_t> length_of(const Value& value);

}  // namespace tercet::chat
