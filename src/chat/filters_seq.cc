// Filters on sequences and mappings.
#include <algorithm>
#include <unordered_set>

#include "chat/builtins.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

Value ignore_case(Runtime& rt, const Value& value) {
  if (!value.is<Str>()) return value;
  auto lowered = rt.string(to_lower(*value.text()));
  return lowered ? *std::move(lowered) : value;
}

// Looks an item up by a path such as "function.name" or 0; an empty one gives the item itself.
class Getter {
 public:
  static Result<Getter> make(Runtime& rt, const Value* path) {
    Getter getter;
    if (path == nullptr || path->is<None>()) return getter;
    const std::string* text = path->text();
    if (text == nullptr) {
      getter.parts_.push_back(*path);
      return getter;
    }
    for (size_t begin = 0; begin <= text->size();) {
      const size_t end = std::min(text->find('.', begin), text->size());
      const std::string part = text->substr(begin, end - begin);
      const bool digits =
          !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == std::string::npos;
      if (digits) {
        getter.parts_.push_back(Value::integer(std::stoll(part)));
      } else {
        ASSIGN_OR_RETURN(Value name, rt.string(part));
        getter.parts_.push_back(std::move(name));
      }
      begin = end + 1;
    }
    return getter;
  }

  Result<Value> operator()(Runtime& rt, Value item, const Value* fallback = nullptr) const {
    for (const Value& part : parts_) {
      ASSIGN_OR_RETURN(item, rt.item(item, part));
      if (fallback != nullptr && item.is<Undefined>()) item = *fallback;
    }
    return item;
  }

 private:
  std::vector<Value> parts_;
};

Result<Value> length(Runtime&, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("length", std::move(args), {}));
  if (const std::optional<size_t> n = length_of(input)) return Value::integer(static_cast<int64_t>(*n));
  return wrong("length: a value of type {} has no length", type_name(input));
}

Result<Value> list(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("list", std::move(args), {}));
  ASSIGN_OR_RETURN(std::vector<Value> items, rt.iterate(input));
  return rt.list(std::move(items));
}

Result<Value> join(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("join", std::move(args), {"d", "attribute"}));
  ASSIGN_OR_RETURN(const std::string separator, bound.has(0) ? rt.text(*bound.get(0)) : Result<std::string>(""));
  ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, bound.get(1)));
  ASSIGN_OR_RETURN(const std::vector<Value> items, rt.iterate(input));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(const Value item, getter(rt, items[i]));
    ASSIGN_OR_RETURN(const std::string text, rt.text(item));
    if (i > 0) out += separator;
    out += text;
    RETURN_IF_ERROR(rt.budget().fits(out.size()));
    RETURN_IF_ERROR(rt.budget().spend(1 + separator.size() / 64));
  }
  return rt.string(std::move(out));
}

Result<Value> first(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("first", std::move(args), {}));
  if (const Iter* iter = input.as<Iter>()) {
    if ((*iter)->next < (*iter)->items.size()) return (*iter)->items[(*iter)->next++];
    if ((*iter)->error) return tl::make_unexpected(*(*iter)->error);
    return Runtime::undefined("there is no first item: the sequence is empty");
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, rt.iterate(input));
  return items.empty() ? Runtime::undefined("there is no first item: the sequence is empty") : items.front();
}

Result<Value> last(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("last", std::move(args), {}));
  if (input.is<Iter>()) return wrong("last: a generator can't be reversed");
  ASSIGN_OR_RETURN(const std::vector<Value> items, rt.iterate(input));
  return items.empty() ? Runtime::undefined("there is no last item: the sequence is empty") : items.back();
}

Result<Value> reverse(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("reverse", std::move(args), {}));
  if (input.is<Str>()) return rt.slice(input, Value(), Value(), Value::integer(-1));
  ASSIGN_OR_RETURN(std::vector<Value> items, rt.iterate(input));
  std::reverse(items.begin(), items.end());
  // Python has to copy a generator to turn it round, and then it is a list.
  return input.is<Iter>() ? rt.list(std::move(items)) : rt.iterator(std::move(items));
}

Result<Value> items(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("items", std::move(args), {}));
  if (input.is<Undefined>()) return rt.iterator({});
  const Dict* dict = input.as<Dict>();
  // A generator function: the error comes with the first step of its walk.
  if (dict == nullptr)
    return rt.iterator({}, wrong("items: a value of type {}, want a mapping", type_name(input)).value());
  std::vector<Value> pairs;
  for (const auto& [key, value] : (*dict)->entries) {
    ASSIGN_OR_RETURN(Value pair, rt.tuple({key, value}));
    pairs.push_back(std::move(pair));
  }
  return rt.iterator(std::move(pairs));
}

// Turns a sequence into a lazy one: `step` says what becomes of an item, nothing to leave it out. An error is kept for
// the walk to meet; only a limit fails at once.
template <typename Step>
Result<Value> lazily(Runtime& rt, const Value& input, Step step) {
  auto source = rt.iterate(input);
  if (!source) {
    if (source.error().code == Code::kLimit) return tl::make_unexpected(std::move(source).error());
    return rt.iterator({}, std::move(source).error());
  }
  std::vector<Value> out;
  for (const Value& item : *source) {
    RETURN_IF_ERROR(rt.budget().spend(1));
    Result<std::optional<Value>> result = step(item);
    if (!result) {
      if (result.error().code == Code::kLimit) return tl::make_unexpected(std::move(result).error());
      return rt.iterator(std::move(out), std::move(result).error());
    }
    if (*result) out.push_back(**std::move(result));
  }
  return rt.iterator(std::move(out));
}

Result<Value> map(Runtime& rt, const Value& input, CallArgs args) {
  if (!truthy(input)) return rt.iterator({});
  const auto late = [&rt](const tl::unexpected<Error>& e) { return rt.iterator({}, e.value()); };
  if (args.positional.empty() && args.find("attribute") != nullptr) {
    ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, args.find("attribute")));
    const Value* fallback = args.find("default");
    if (args.named.size() > (fallback == nullptr ? 1u : 2u)) return late(wrong("map: an unknown argument"));
    if (fallback != nullptr && fallback->is<None>()) fallback = nullptr;
    return lazily(rt, input,
                  [&](const Value& item) -> Result<std::optional<Value>> { return getter(rt, item, fallback); });
  }
  if (args.positional.empty() || !args.positional[0].is<Str>()) return late(wrong("map: want a filter's name"));
  const std::string name = *args.positional[0].text();
  const Filter* filter = find_filter(name);
  if (filter == nullptr) return late(wrong("filter '{}' is unknown", name));
  args.positional.erase(args.positional.begin());
  return lazily(rt, input,
                [&](const Value& item) -> Result<std::optional<Value>> { return filter->run(rt, item, args); });
}

template <bool kKeep, bool kByAttribute>
Result<Value> select(Runtime& rt, const Value& input, CallArgs args) {
  if (!truthy(input)) return rt.iterator({});
  const auto late = [&rt](const tl::unexpected<Error>& e) { return rt.iterator({}, e.value()); };
  Getter getter;
  if (kByAttribute) {
    if (args.positional.empty()) return late(wrong("selectattr: want an attribute's name"));
    ASSIGN_OR_RETURN(getter, Getter::make(rt, &args.positional[0]));
    args.positional.erase(args.positional.begin());
  }
  const Test* test = nullptr;
  if (!args.positional.empty()) {
    const std::string* name = args.positional[0].text();
    test = name == nullptr ? nullptr : find_test(*name);
    if (test == nullptr) return late(wrong("test '{}' is unknown", name == nullptr ? "?" : *name));
    args.positional.erase(args.positional.begin());
  }
  return lazily(rt, input, [&](const Value& item) -> Result<std::optional<Value>> {
    ASSIGN_OR_RETURN(const Value looked_at, getter(rt, item));
    bool passed = truthy(looked_at);
    if (test != nullptr) {
      ASSIGN_OR_RETURN(passed, test->run(rt, looked_at, args));
    }
    return passed == kKeep ? std::optional<Value>(item) : std::nullopt;
  });
}

Result<Value> dict_sort(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("dictsort", std::move(args), {"case_sensitive", "by", "reverse"}));
  ASSIGN_OR_RETURN(const std::string by, bound.string(1, "key"));
  if (by != "key" && by != "value") return wrong("dictsort: by '{}', want key or value", by);
  const Dict* dict = input.as<Dict>();
  if (dict == nullptr) return wrong("dictsort: a value of type {}, want a mapping", type_name(input));
  std::vector<Value> pairs;
  std::vector<Value> keys;
  for (const auto& [key, value] : (*dict)->entries) {
    ASSIGN_OR_RETURN(Value pair, rt.tuple({key, value}));
    pairs.push_back(std::move(pair));
    const Value& sorted_by = by == "key" ? key : value;
    keys.push_back(bound.flag(0, false) ? sorted_by : ignore_case(rt, sorted_by));
  }
  RETURN_IF_ERROR(rt.sort(pairs, std::move(keys), bound.flag(2, false)));
  return rt.list(std::move(pairs));
}

// What sort, groupby and their like order items by.
Result<std::vector<Value>> sort_keys(Runtime& rt, const std::vector<Value>& items, const Getter& getter, bool fold_case,
                                     const Value* fallback = nullptr) {
  std::vector<Value> keys;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value key, getter(rt, item, fallback));
    keys.push_back(fold_case ? ignore_case(rt, key) : key);
  }
  return keys;
}

Result<Value> sort(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("sort", std::move(args), {"reverse", "case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(std::vector<Value> sorted, rt.iterate(input));
  std::vector<std::vector<Value>> columns;
  const Value* attribute = bound.get(2);
  const std::string* names = attribute == nullptr ? nullptr : attribute->text();
  // "age,name" sorts by one and then the other.
  for (size_t begin = 0; names == nullptr || begin <= names->size();) {
    Value path = attribute == nullptr ? Value(None{}) : *attribute;
    if (names != nullptr) {
      const size_t end = std::min(names->find(',', begin), names->size());
      ASSIGN_OR_RETURN(path, rt.string(names->substr(begin, end - begin)));
      begin = end + 1;
    }
    ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, &path));
    ASSIGN_OR_RETURN(std::vector<Value> keys, sort_keys(rt, sorted, getter, !bound.flag(1, false)));
    columns.push_back(std::move(keys));
    if (names == nullptr) break;
  }
  std::vector<Value> keys;
  for (size_t i = 0; i < sorted.size(); ++i) {
    std::vector<Value> key;
    for (const std::vector<Value>& column : columns) key.push_back(column[i]);
    ASSIGN_OR_RETURN(Value row, rt.list(std::move(key)));
    keys.push_back(std::move(row));
  }
  RETURN_IF_ERROR(rt.sort(sorted, std::move(keys), bound.flag(0, false)));
  return rt.list(std::move(sorted));
}

Result<Value> unique(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("unique", std::move(args), {"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, bound.get(1)));
  std::unordered_set<Value, ValueHash, ValueEqual> seen;
  return lazily(rt, input, [&](const Value& item) -> Result<std::optional<Value>> {
    ASSIGN_OR_RETURN(Value key, getter(rt, item));
    if (!bound.flag(0, false)) key = ignore_case(rt, key);
    RETURN_IF_ERROR(rt.budget().spend(weight_of(key)));
    if (!hashable(key)) return wrong("unique: a value of type {} has no hash", type_name(key));
    return seen.insert(std::move(key)).second ? std::optional<Value>(item) : std::nullopt;
  });
}

template <bool kMax>
Result<Value> extreme(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bound::bind(kMax ? "max" : "min", std::move(args), {"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, bound.get(1)));
  ASSIGN_OR_RETURN(const std::vector<Value> candidates, rt.iterate(input));
  if (candidates.empty()) return Runtime::undefined("there is no aggregated item: the sequence is empty");
  ASSIGN_OR_RETURN(const std::vector<Value> keys, sort_keys(rt, candidates, getter, !bound.flag(0, false)));
  size_t best = 0;
  for (size_t i = 1; i < keys.size(); ++i) {
    ASSIGN_OR_RETURN(const bool better, rt.compare(kMax ? CompareOp::kGt : CompareOp::kLt, keys[i], keys[best]));
    if (better) best = i;
  }
  return candidates[best];
}

Result<Value> sum(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("sum", std::move(args), {"attribute", "start"}));
  ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, bound.get(0)));
  ASSIGN_OR_RETURN(const std::vector<Value> terms, rt.iterate(input));
  Value total = bound.has(1) ? *bound.get(1) : Value::integer(0);
  if (total.is<Str>()) return wrong("sum: it can't add up str");
  for (const Value& term : terms) {
    ASSIGN_OR_RETURN(const Value value, getter(rt, term));
    ASSIGN_OR_RETURN(total, rt.binary(BinaryOp::kAdd, total, value));
  }
  return total;
}

Result<Value> batch(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("batch", std::move(args), {"linecount!", "fill_with"}));
  const Result<std::vector<Value>> source = rt.iterate(input);
  if (!source) return rt.iterator({}, source.error());
  std::vector<Value> out;
  std::vector<Value> row;
  const auto flush = [&]() -> Status {
    ASSIGN_OR_RETURN(Value line, rt.list(std::move(row)));
    out.push_back(std::move(line));
    row.clear();
    return {};
  };
  for (const Value& item : *source) {
    // A count of another type is equal to no length: all comes in one batch.
    if (equals(Value(static_cast<Int>(row.size())), *bound.get(0))) RETURN_IF_ERROR(flush());
    row.push_back(item);
  }
  if (!row.empty() && !bound.none(1)) {
    const Result<Int> width = bound.integer(0, 1);
    if (!width) return rt.iterator(std::move(out), width.error());
    if (*width > kMaxRange) return error(Code::kLimit, "batch: a line of over {} items", kMaxRange);
    if (*width > static_cast<Int>(row.size())) row.resize(static_cast<size_t>(*width), *bound.get(1));
  }
  if (!row.empty()) RETURN_IF_ERROR(flush());
  return rt.iterator(std::move(out));
}

Result<Value> slice(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("slice", std::move(args), {"slices!", "fill_with"}));
  const Result<Int> given = bound.integer(0, 1);
  if (!given) return rt.iterator({}, given.error());
  const Int wanted = *given;
  if (wanted == 0) return rt.iterator({}, wrong("slice: division by zero").value());
  if (wanted > kMaxRange) return error(Code::kLimit, "slice: over {} slices", kMaxRange);
  Result<std::vector<Value>> walked = rt.iterate(input);
  if (!walked) return rt.iterator({}, std::move(walked).error());
  const std::vector<Value>& source = *walked;
  const size_t n = wanted < 0 ? 0 : static_cast<size_t>(wanted);
  const size_t with_extra = n == 0 ? 0 : source.size() % n;
  std::vector<Value> out;
  size_t begin = 0;
  for (size_t i = 0; i < n; ++i) {
    const size_t count = source.size() / n + (i < with_extra ? 1 : 0);
    std::vector<Value> part(source.begin() + static_cast<ptrdiff_t>(begin),
                            source.begin() + static_cast<ptrdiff_t>(begin + count));
    if (!bound.none(1) && i >= with_extra) part.push_back(*bound.get(1));
    ASSIGN_OR_RETURN(Value list_of_part, rt.list(std::move(part)));
    out.push_back(std::move(list_of_part));
    begin += count;
  }
  return rt.iterator(std::move(out));
}

Result<Value> group_by(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bound::bind("groupby", std::move(args), {"attribute!", "default", "case_sensitive"}));
  ASSIGN_OR_RETURN(const Getter getter, Getter::make(rt, bound.get(0)));
  const Value* fallback = bound.none(1) ? nullptr : bound.get(1);
  const bool fold_case = !bound.flag(2, false);
  ASSIGN_OR_RETURN(std::vector<Value> sorted, rt.iterate(input));
  ASSIGN_OR_RETURN(std::vector<Value> keys, sort_keys(rt, sorted, getter, fold_case, fallback));
  RETURN_IF_ERROR(rt.sort(sorted, std::move(keys), false));
  ASSIGN_OR_RETURN(keys, sort_keys(rt, sorted, getter, fold_case, fallback));
  std::vector<Value> out;
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin + 1;
    while (end < sorted.size() && equals(keys[begin], keys[end])) {
      RETURN_IF_ERROR(rt.budget().spend(weight_of(keys[end++])));
    }
    ASSIGN_OR_RETURN(const Value grouper, getter(rt, sorted[begin], fallback));
    ASSIGN_OR_RETURN(const Value members, rt.list({sorted.begin() + static_cast<ptrdiff_t>(begin),
                                                   sorted.begin() + static_cast<ptrdiff_t>(end)}));
    ASSIGN_OR_RETURN(Value group, rt.seq(SeqKind::kGroup, {grouper, members}));
    out.push_back(std::move(group));
    begin = end;
  }
  return rt.list(std::move(out));
}

Result<Value> attr(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("attr", std::move(args), {"name!"}));
  ASSIGN_OR_RETURN(const std::string name, bound.string(0));
  // Unlike `a.b` it never looks into a mapping.
  ASSIGN_OR_RETURN(const Value value, rt.attribute(input, name));
  const Dict* dict = input.as<Dict>();
  const Value* entry = dict == nullptr ? nullptr : (*dict)->find(std::string_view(name));
  const bool from_entry = entry != nullptr && !value.is<Callable>();
  return from_entry ? Runtime::undefined(fmt::format("no attribute '{}'", name)) : value;
}

constexpr Filter kFilters[] = {
    {"attr", attr},
    {"batch", batch},
    {"count", length},
    {"dictsort", dict_sort},
    {"first", first},
    {"groupby", group_by},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"reverse", reverse},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"slice", slice},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

const Filter* find_sequence_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [name](const Filter& f) { return f.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

}  // namespace tercet::chat
