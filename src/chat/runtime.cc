#include "chat/runtime.h"

#include <algorithm>

#include "chat/unicode.h"

namespace tercet::chat {
namespace {

constexpr uint64_t kObjectBytes = 64;  // of an empty string or list with its bookkeeping

// A list of lists that share can be larger than any number; it is only ever compared with a budget.
constexpr uint64_t kMaxWeight = uint64_t{1} << 60;

struct Extent {
  int depth = 1;
  uint64_t weight = 1;

  void add(const Value& value) {
    depth = std::max(depth, depth_of(value) + 1);
    weight = std::min(weight + weight_of(value), kMaxWeight);
  }
};

Status check_depth(int depth) {
  if (depth <= kMaxValueDepth) return {};
  return error(Code::kLimit, "the limit kMaxValueDepth ({}) is reached: lists nest too deeply", kMaxValueDepth);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

Result<Value> Runtime::string(std::string text, bool markup) {
  RETURN_IF_ERROR(budget_.spend(text.size() / 64));
  auto str = std::make_shared<StrObj>();
  RETURN_IF_ERROR(str->charge.grow(budget_, text.size() + kObjectBytes));
  str->ascii = is_ascii(text);
  str->text = std::move(text);
  str->markup = markup;
  return Value(Str(std::move(str)));
}

Result<Value> Runtime::seq(SeqKind kind, std::vector<Value> items) {
  RETURN_IF_ERROR(budget_.spend(items.size()));
  Extent extent;
  for (const Value& item : items) extent.add(item);
  RETURN_IF_ERROR(check_depth(extent.depth));
  auto list = std::make_shared<SeqObj>();
  RETURN_IF_ERROR(list->charge.grow(budget_, items.size() * sizeof(Value) + kObjectBytes));
  list->kind = kind;
  list->items = std::move(items);
  list->depth = extent.depth;
  list->weight = extent.weight;
  return Value(Seq(std::move(list)));
}

Result<Value> Runtime::range(Int start, Int stop, Int step) {
  if (step == 0) return wrong("range: step is 0");
  constexpr Int kFar = Int{1} << 100;
  if (start > kFar || start < -kFar || stop > kFar || stop < -kFar || step > kFar || step < -kFar) {
    return error(Code::kLimit, "range: the bounds are too far");
  }
  const Int span = step > 0 ? stop - start : start - stop;
  const Int stride = step > 0 ? step : -step;
  const Int count = span <= 0 ? 0 : (span + stride - 1) / stride;
  if (count > kMaxRange)
    return error(Code::kLimit, "the limit kMaxRange ({}) is reached: range of {} items", kMaxRange, count);
  std::vector<Value> items;
  for (Int i = 0; i < count; ++i) items.emplace_back(start + i * step);
  auto made = std::make_shared<SeqObj>();
  RETURN_IF_ERROR(budget_.spend(items.size()));
  RETURN_IF_ERROR(made->charge.grow(budget_, items.size() * sizeof(Value) + kObjectBytes));
  made->kind = SeqKind::kRange;
  made->weight = items.size() + 1;
  made->items = std::move(items);
  made->start = start;
  made->stop = stop;
  made->step = step;
  return Value(Seq(std::move(made)));
}

Result<Value> Runtime::dict(DictObj dict) {
  RETURN_IF_ERROR(budget_.spend(dict.entries.size()));
  Extent extent;
  for (const auto& [key, value] : dict.entries) {
    extent.add(key);
    extent.add(value);
  }
  RETURN_IF_ERROR(check_depth(extent.depth));
  auto made = std::make_shared<DictObj>(std::move(dict));
  RETURN_IF_ERROR(made->charge.grow(budget_, made->entries.size() * 4 * sizeof(Value) + kObjectBytes));
  made->depth = extent.depth;
  made->weight = extent.weight;
  return Value(Dict(std::move(made)));
}

Result<Value> Runtime::iterator(std::vector<Value> items, std::optional<Error> error) {
  Extent extent;
  for (const Value& item : items) extent.add(item);
  RETURN_IF_ERROR(check_depth(extent.depth));
  auto made = std::make_shared<IterObj>();
  RETURN_IF_ERROR(made->charge.grow(budget_, items.size() * sizeof(Value) + kObjectBytes));
  made->items = std::move(items);
  made->error = std::move(error);
  made->depth = extent.depth;
  made->weight = extent.weight;
  return Value(Iter(std::move(made)));
}

Result<Value> Runtime::callable(std::string name, decltype(CallableObj::run) run, int depth, bool macro,
                                std::vector<std::pair<std::string, Value>> attributes) {
  RETURN_IF_ERROR(check_depth(depth));
  auto made = std::make_shared<CallableObj>();
  RETURN_IF_ERROR(made->charge.grow(budget_, 2 * kObjectBytes));
  made->name = std::move(name);
  made->macro = macro;
  made->run = std::move(run);
  made->attributes = std::move(attributes);
  made->depth = depth;
  return Value(Callable(std::move(made)));
}

Value Runtime::undefined(std::string why) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
}

Status Runtime::put(DictObj& dict, Value key, Value value) {
  RETURN_IF_ERROR(budget_.spend(weight_of(key)));
  if (!hashable(key)) return wrong("a value of type {} can't be a dict's key", type_name(key));
  dict.set(std::move(key), std::move(value));
  return {};
}

Error Runtime::undefined_error(const Value& value) {
  const Undefined* missing = value.as<Undefined>();
  return {Code::kInvalidArgument, missing->why == nullptr ? "the value is undefined" : *missing->why, {}};
}

Result<std::vector<Value>> Runtime::characters(const std::string& text, bool markup) {
  std::vector<Value> items;
  RETURN_IF_ERROR(budget_.spend(text.size()));
  RETURN_IF_ERROR(budget_.fits(text.size() * (sizeof(Value) + kObjectBytes)));
  for (size_t pos = 0; pos < text.size();) {
    const size_t bytes = code_point_at(text, pos).bytes;
    ASSIGN_OR_RETURN(Value item, string(text.substr(pos, bytes), markup));
    items.push_back(std::move(item));
    pos += bytes;
  }
  return items;
}

Result<std::vector<Value>> Runtime::iterate(const Value& value) {
  if (value.is<Undefined>()) return std::vector<Value>();
  if (const std::string* str = value.text()) return characters(*str, false);
  if (const Seq* list = value.as<Seq>()) {
    RETURN_IF_ERROR(budget_.spend((*list)->items.size()));
    return (*list)->items;
  }
  if (const Dict* dict = value.as<Dict>()) {
    RETURN_IF_ERROR(budget_.spend((*dict)->entries.size()));
    std::vector<Value> keys;
    for (const auto& entry : (*dict)->entries) keys.push_back(entry.first);
    return keys;
  }
  if (const Iter* iter = value.as<Iter>()) {
    IterObj& walk = **iter;
    std::vector<Value> rest(walk.items.begin() + static_cast<ptrdiff_t>(walk.next), walk.items.end());
    RETURN_IF_ERROR(budget_.spend(rest.size()));
    walk.next = walk.items.size();
    if (walk.error) return tl::make_unexpected(*walk.error);
    return rest;
  }
  return wrong("a value of type {} can't be iterated", type_name(value));
}

Result<Bound> Bound::bind(std::string_view function, CallArgs args,
                          std::initializer_list<std::string_view> parameters) {
  Bound bound;
  bound.function_ = function;
  std::vector<bool> required;
  size_t n_positional_only = 0;
  for (std::string_view name : parameters) {
    if (name == "/") {
      n_positional_only = bound.names_.size();
      continue;
    }
    required.push_back(name.ends_with('!'));
    if (required.back()) name.remove_suffix(1);
    bound.names_.emplace_back(name);
  }
  bound.given_.resize(bound.names_.size());
  if (args.positional.size() > bound.names_.size()) {
    return wrong("{}: {} arguments, want at most {}", function, args.positional.size(), bound.names_.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) bound.given_[i] = std::move(args.positional[i]);
  for (auto& [name, value] : args.named) {
    const auto found = std::find(bound.names_.begin(), bound.names_.end(), name);
    const size_t i = static_cast<size_t>(found - bound.names_.begin());
    if (found == bound.names_.end() || i < n_positional_only) return wrong("{}: unknown argument '{}'", function, name);
    if (bound.given_[i]) return wrong("{}: argument '{}' is there twice", function, name);
    bound.given_[i] = std::move(value);
  }
  for (size_t i = 0; i < bound.names_.size(); ++i) {
    if (required[i] && !bound.given_[i]) return wrong("{}: argument '{}' is missing", function, bound.names_[i]);
  }
  return bound;
}

Result<Int> Bound::integer(size_t i, Int fallback) const {
  if (!given_[i]) return fallback;
  if (const std::optional<Int> value = given_[i]->as_int()) return *value;
  return wrong("{}: {} is of type {}, want int", function_, names_[i], type_name(*given_[i]));
}

Result<std::string> Bound::string(size_t i, std::string_view fallback) const {
  if (!given_[i]) return std::string(fallback);
  if (const std::string* value = given_[i]->text()) return *value;
  return wrong("{}: {} is of type {}, want str", function_, names_[i], type_name(*given_[i]));
}

}  // namespace tercet::chat
