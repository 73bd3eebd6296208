#include "chat/methods.h"

#include <algorithm>

namespace tercet::chat {
namespace {

Result<Value> dict_view(Runtime& rt, const Value& self, SeqKind kind) {
  std::vector<Value> items;
  for (const auto& [key, value] : (*self.as<Dict>())->entries) {
    if (kind == SeqKind::kItems) {
      ASSIGN_OR_RETURN(Value pair, rt.tuple({key, value}));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kind == SeqKind::kKeys ? key : value);
    }
  }
  return rt.seq(kind, std::move(items));
}

template <SeqKind kKind>
Result<Value> view(Runtime& rt, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("dict.items", std::move(args), {}));
  return dict_view(rt, self, kKind);
}

Result<Value> dict_get(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("dict.get", std::move(args), {"key!", "default", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(weight_of(*bound.get(0))));
  if (!hashable(*bound.get(0))) return wrong("dict.get: a key of type {}", type_name(*bound.get(0)));
  if (const Value* value = (*self.as<Dict>())->find(*bound.get(0))) return *value;
  return bound.has(1) ? *bound.get(1) : Value(None{});
}

// A value that can't change is its own copy.
Result<Value> copy(Runtime&, const Value& self, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("copy", std::move(args), {}));
  return self;
}

Result<Value> seq_count(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("list.count", std::move(args), {"value!", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(weight_of(self)));
  const std::vector<Value>& items = (*self.as<Seq>())->items;
  const Value& wanted = *bound.get(0);
  return Value::integer(std::count_if(items.begin(), items.end(), [&](const Value& v) { return equals(v, wanted); }));
}

Result<Value> seq_index(Runtime& rt, const Value& self, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("list.index", std::move(args), {"value!", "start", "stop", "/"}));
  RETURN_IF_ERROR(rt.budget().spend(weight_of(self)));
  const std::vector<Value>& items = (*self.as<Seq>())->items;
  const auto n = static_cast<Int>(items.size());
  ASSIGN_OR_RETURN(Int start, bound.integer(1, 0));
  ASSIGN_OR_RETURN(Int stop, bound.integer(2, n));
  start = start < 0 ? std::max(start + n, Int{0}) : start;
  stop = stop < 0 ? stop + n : std::min(stop, n);
  for (Int i = start; i < stop; ++i) {
    if (equals(items[static_cast<size_t>(i)], *bound.get(0))) return Value(i);
  }
  return wrong("list.index: the value is not there");
}

constexpr Method kDictMethods[] = {{"copy", copy},
                                   {"get", dict_get},
                                   {"items", view<SeqKind::kItems>},
                                   {"keys", view<SeqKind::kKeys>},
                                   {"values", view<SeqKind::kValues>}};
constexpr Method kSeqMethods[] = {{"count", seq_count}, {"index", seq_index}, {"copy", copy}};

constexpr std::string_view kUnsupportedStrMethods[] = {"encode", "format_map", "maketrans", "translate"};

const Method* lookup(std::string_view name, std::span<const Method> methods) {
  const auto found = std::find_if(methods.begin(), methods.end(), [name](const Method& m) { return m.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

}  // namespace

Result<Value> bind_method(Runtime& rt, const Value& object, std::string_view name, bool& found) {
  const Method* method = nullptr;
  if (object.is<Str>()) {
    const auto* end = std::end(kUnsupportedStrMethods);
    if (std::find(std::begin(kUnsupportedStrMethods), end, name) != end) {
      return error(Code::kUnsupported, "method '{}' of str is not supported", name);
    }
    method = lookup(name, str_methods());
  } else if (object.is<Dict>()) {
    if (name == "fromkeys") return error(Code::kUnsupported, "method 'fromkeys' of dict is not supported");
    method = lookup(name, kDictMethods);
  } else if (const Seq* seq = object.as<Seq>()) {
    const bool list = (*seq)->kind == SeqKind::kList;
    const bool methods = list || (*seq)->kind == SeqKind::kTuple || (*seq)->kind == SeqKind::kRange;
    // Only a list has `copy`, the last of the table.
    if (methods) method = lookup(name, std::span(kSeqMethods).first(list ? 3 : 2));
  }
  found = method != nullptr;
  if (!found) return Value();
  return rt.callable(
      std::string(name),
      [object, run = method->run, &rt](Interpreter&, CallArgs args) { return run(rt, object, std::move(args)); },
      depth_of(object) + 1);
}

}  // namespace tercet::chat
