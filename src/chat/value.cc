#include "chat/value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "chat/unicode.h"

namespace tercet::chat {
namespace {

// Few enough that a walk beats a hash.
constexpr size_t kIndexFrom = 8;

// Compares exactly, as Python does: no rounding of the integer.
int compare_int_float(Int a, double b) {
  if (std::isnan(b)) return 2;
  constexpr double kTwo127 = 170141183460469231731687303715884105728.0;
  if (b >= kTwo127) return -1;
  if (b < -kTwo127) return 1;
  const double whole = std::floor(b);
  const Int floor = static_cast<Int>(whole);
  if (a != floor) return a < floor ? -1 : 1;
  return whole < b ? -1 : 0;
}

bool equal_sequences(const std::vector<Value>& a, const std::vector<Value>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equals);
}

bool equal_key_sets(const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  const std::unordered_set<Value, ValueHash, ValueEqual> keys(a.begin(), a.end());
  return std::all_of(b.begin(), b.end(), [&keys](const Value& key) { return keys.contains(key); });
}

SeqKind comparable_kind(SeqKind kind) { return kind == SeqKind::kGroup ? SeqKind::kTuple : kind; }

bool equal_seqs(const SeqObj& a, const SeqObj& b) {
  const SeqKind kind = comparable_kind(a.kind);
  if (kind != comparable_kind(b.kind)) return false;
  if (kind == SeqKind::kKeys) return equal_key_sets(a.items, b.items);
  if (kind == SeqKind::kValues || kind == SeqKind::kItems) return &a == &b;
  return equal_sequences(a.items, b.items);
}

bool equal_dicts(const DictObj& a, const DictObj& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&b](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other != nullptr && equals(entry.second, *other);
  });
}

size_t mix(size_t seed, size_t more) { return (seed ^ more) * 0x9e3779b97f4a7c15ULL + (seed >> 7); }

size_t hash_int(Int value) {
  return mix(std::hash<uint64_t>{}(static_cast<uint64_t>(value)), static_cast<size_t>(value >> 64));
}

const void* identity(const Value& value) {
  return std::visit(
      [](const auto& v) -> const void* {
        if constexpr (requires { v.get(); }) {
          return v.get();
        } else {
          return nullptr;
        }
      },
      value.variant());
}

}  // namespace

const std::string* Value::text() const {
  const Str* str = as<Str>();
  return str == nullptr ? nullptr : &(*str)->text;
}

bool Value::is_markup() const {
  const Str* str = as<Str>();
  return str != nullptr && (*str)->markup;
}

std::optional<Int> Value::as_int() const {
  if (const Int* value = as<Int>()) return *value;
  if (const bool* value = as<bool>()) return Int{*value ? 1 : 0};
  return std::nullopt;
}

std::optional<double> Value::as_number() const {
  if (const double* value = as<double>()) return *value;
  if (const std::optional<Int> value = as_int()) return static_cast<double>(*value);
  return std::nullopt;
}

size_t ValueHash::operator()(const Value& value) const { return hash_value(value); }
bool ValueEqual::operator()(const Value& a, const Value& b) const { return equals(a, b); }

const Value* DictObj::find(const Value& key) const {
  if (!index.empty()) {
    const auto found = index.find(key);
    return found == index.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& [name, value] : entries) {
    if (equals(name, key)) return &value;
  }
  return nullptr;
}

const Value* DictObj::find(std::string_view key) const {
  if (!index.empty()) {
    auto str = std::make_shared<StrObj>();
    str->text = key;
    return find(Value(Str(std::move(str))));
  }
  for (const auto& [name, value] : entries) {
    const std::string* text = name.text();
    if (text != nullptr && *text == key) return &value;
  }
  return nullptr;
}

void DictObj::set(Value key, Value value) {
  if (const Value* old = find(key)) {
    const_cast<Value&>(*old) = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
  if (!index.empty()) {
    index.emplace(entries.back().first, entries.size() - 1);
  } else if (entries.size() == kIndexFrom) {
    for (size_t i = 0; i < entries.size(); ++i) index.emplace(entries[i].first, i);
  }
}

const Value* NamespaceObj::find(std::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Value* CallArgs::find(std::string_view name) const {
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string_view type_name(const Value& value) {
  static constexpr std::string_view kNames[] = {"Undefined",   "NoneType", "bool", "int",       "float",
                                                "str",         "",         "dict", "generator", "Namespace",
                                                "LoopContext", "function"};
  static constexpr std::string_view kSeqNames[] = {"list",        "tuple",      "range", "dict_keys",
                                                   "dict_values", "dict_items", "tuple"};
  if (const Seq* seq = value.as<Seq>()) return kSeqNames[static_cast<size_t>((*seq)->kind)];
  if (value.is_markup()) return "Markup";
  return kNames[value.variant().index()];
}

bool truthy(const Value& value) {
  if (value.is<Undefined>() || value.is<None>()) return false;
  if (const bool* v = value.as<bool>()) return *v;
  if (const Int* v = value.as<Int>()) return *v != 0;
  if (const double* v = value.as<double>()) return *v != 0;
  const std::optional<size_t> length = length_of(value);
  return !length || *length > 0;
}

std::optional<size_t> length_of(const Value& value) {
  if (value.is<Undefined>()) return 0;
  if (const Str* v = value.as<Str>()) return (*v)->ascii ? (*v)->text.size() : count_code_points((*v)->text);
  if (const Seq* v = value.as<Seq>()) return (*v)->items.size();
  if (const Dict* v = value.as<Dict>()) return (*v)->entries.size();
  return std::nullopt;
}

int compare_numbers(const Value& a, const Value& b) {
  const std::optional<Int> x = a.as_int();
  const std::optional<Int> y = b.as_int();
  if (x && y) return *x < *y ? -1 : (*x > *y ? 1 : 0);
  if (x) return compare_int_float(*x, *b.as<double>());
  const double real = *a.as<double>();
  if (y) {
    const int reversed = compare_int_float(*y, real);
    return reversed == 2 ? 2 : -reversed;
  }
  const double other = *b.as<double>();
  if (std::isnan(real) || std::isnan(other)) return 2;
  return real < other ? -1 : (real > other ? 1 : 0);
}

bool equals(const Value& a, const Value& b) {
  const bool a_number = a.is<bool>() || a.is<Int>() || a.is<double>();
  const bool b_number = b.is<bool>() || b.is<Int>() || b.is<double>();
  if (a_number && b_number) return compare_numbers(a, b) == 0;
  if (a.variant().index() != b.variant().index()) return false;
  if (a.is<Undefined>() || a.is<None>()) return true;
  if (const std::string* text = a.text()) return *text == *b.text();
  if (const Seq* seq = a.as<Seq>()) return equal_seqs(**seq, **b.as<Seq>());
  if (const Dict* dict = a.as<Dict>()) return equal_dicts(**dict, **b.as<Dict>());
  return identity(a) == identity(b);
}

bool same(const Value& a, const Value& b) {
  if (a.variant().index() != b.variant().index()) return false;
  // Python shares its small integers and the strings of a template; equal ones are taken as one.
  if (a.is<bool>() || a.is<Int>() || a.is<double>() || a.is<None>()) return equals(a, b);
  if (a.is<Undefined>()) return a.as<Undefined>()->why == b.as<Undefined>()->why;
  if (a.is<Str>()) return equals(a, b);
  return identity(a) == identity(b);
}

bool hashable(const Value& value) {
  if (value.is<Dict>()) return false;
  const Seq* seq = value.as<Seq>();
  if (seq == nullptr) return true;
  if ((*seq)->kind == SeqKind::kRange || (*seq)->kind == SeqKind::kValues) return true;
  if (comparable_kind((*seq)->kind) != SeqKind::kTuple) return false;
  return std::all_of((*seq)->items.begin(), (*seq)->items.end(), hashable);
}

size_t hash_value(const Value& value) {
  if (const std::optional<Int> v = value.as_int()) return hash_int(*v);
  if (const double* v = value.as<double>()) {
    // A float that is whole hashes as the integer it equals.
    constexpr double kTwo126 = 85070591730234615865843651857942052864.0;
    if (std::fabs(*v) < kTwo126 && std::floor(*v) == *v) return hash_int(static_cast<Int>(*v));
    return std::hash<double>{}(*v);
  }
  if (const std::string* text = value.text()) return std::hash<std::string>{}(*text);
  if (const Seq* seq = value.as<Seq>()) {
    size_t hash = 17;
    for (const Value& item : (*seq)->items) hash = mix(hash, hash_value(item));
    return hash;
  }
  return mix(value.variant().index(), std::hash<const void*>{}(identity(value)));
}

std::optional<int> order(const Value& a, const Value& b) {
  if (a.as_number() && b.as_number()) return compare_numbers(a, b);
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->compare(*b.text());
  const Seq* x = a.as<Seq>();
  const Seq* y = b.as<Seq>();
  if (x == nullptr || y == nullptr) return std::nullopt;
  const SeqKind kind = comparable_kind((*x)->kind);
  if (kind != comparable_kind((*y)->kind) || (kind != SeqKind::kList && kind != SeqKind::kTuple)) return std::nullopt;
  const std::vector<Value>& left = (*x)->items;
  const std::vector<Value>& right = (*y)->items;
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (!equals(left[i], right[i])) return order(left[i], right[i]);
  }
  return left.size() < right.size() ? -1 : (left.size() > right.size() ? 1 : 0);
}

int depth_of(const Value& value) {
  if (const Seq* v = value.as<Seq>()) return (*v)->depth;
  if (const Dict* v = value.as<Dict>()) return (*v)->depth;
  if (const Iter* v = value.as<Iter>()) return (*v)->depth;
  if (const Loop* v = value.as<Loop>()) return (*v)->depth;
  if (const Callable* v = value.as<Callable>()) return (*v)->depth;
  return 0;
}

uint64_t weight_of(const Value& value) {
  if (const std::string* text = value.text()) return 1 + text->size() / 64;
  if (const Seq* v = value.as<Seq>()) return (*v)->weight;
  if (const Dict* v = value.as<Dict>()) return (*v)->weight;
  if (const Iter* v = value.as<Iter>()) return (*v)->weight;
  return 1;
}

}  // namespace tercet::chat
