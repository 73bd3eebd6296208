// What `a.b`, `a[b]`, `a[b:c]` and `b in a` mean.
#include <algorithm>
#include <array>

#include "chat/methods.h"
#include "chat/runtime.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

// Attributes of every Python object; the sandbox refuses all that begin with an underscore.
constexpr std::string_view kObjectAttributes[] = {
    "__class__", "__delattr__",      "__dir__",    "__doc__",  "__eq__",           "__format__",
    "__ge__",    "__getattribute__", "__gt__",     "__hash__", "__init__",         "__init_subclass__",
    "__le__",    "__lt__",           "__ne__",     "__new__",  "__reduce__",       "__reduce_ex__",
    "__repr__",  "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__",
};

// Methods that would change their object.
constexpr std::string_view kListChangers[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kDictChangers[] = {"clear", "pop", "popitem", "setdefault", "update"};
// Python has these and no template needs them.
constexpr std::string_view kNumberAttributes[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "fromhex", "from_bytes", "hex", "imag",
    "is_integer",       "numerator", "real",       "to_bytes"};

template <size_t N>
bool one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string shown(const Value& value) {
  if (value.is<None>()) return "None";
  return fmt::format("'{} object'", type_name(value));
}

// Loop attributes that need no look ahead; the others are the interpreter's (it runs the loop's test).
Value plain_index(Int index) { return Value(index); }

struct Range {
  Int start, stop, step;
  Int count() const {
    if (step > 0) return start < stop ? (stop - start + step - 1) / step : 0;
    return start > stop ? (start - stop - step - 1) / -step : 0;
  }
};

Result<std::optional<Int>> slice_bound(const Value& value) {
  if (value.is<Undefined>() || value.is<None>()) return std::optional<Int>();
  if (const std::optional<Int> index = value.as_int()) return index;
  return wrong("a slice's bound is of type {}, want int or None", type_name(value));
}

// Python's slice.indices.
Range clip(std::optional<Int> start, std::optional<Int> stop, Int step, Int length) {
  const Int low = step > 0 ? 0 : -1;
  const Int high = step > 0 ? length : length - 1;
  const auto place = [&](Int index) {
    if (index < 0) return std::max(index + length, low);
    return std::min(index, high);
  };
  return {start ? place(*start) : (step > 0 ? low : high), stop ? place(*stop) : (step > 0 ? high : low), step};
}

}  // namespace

// The attribute as Python's getattr finds it; undefined where the sandbox refuses it.
Result<Value> Runtime::python_attribute(const Value& object, std::string_view name, bool& found) {
  found = true;
  const auto refused = [&] {
    return undefined(fmt::format("access to attribute '{}' of {} is unsafe", name, shown(object)));
  };
  if (one_of(name, kObjectAttributes)) return refused();
  if (const Namespace* space = object.as<Namespace>()) {
    if (const Value* value = (*space)->find(name)) return *value;
    found = false;
    return Value();
  }
  if (const Callable* function = object.as<Callable>()) {
    for (const auto& [key, value] : (*function)->attributes) {
      if (key == name) return value;
    }
  }
  if (const Seq* list = object.as<Seq>()) {
    if ((*list)->kind == SeqKind::kList && one_of(name, kListChangers)) return refused();
    if ((*list)->kind == SeqKind::kGroup && name == "grouper") return (*list)->items[0];
    if ((*list)->kind == SeqKind::kGroup && name == "list") return (*list)->items[1];
    if ((*list)->kind == SeqKind::kRange) {
      if (name == "start") return plain_index((*list)->start);
      if (name == "stop") return plain_index((*list)->stop);
      if (name == "step") return plain_index((*list)->step);
    }
  }
  if (object.is<Dict>() && one_of(name, kDictChangers)) return refused();
  if ((object.is<Int>() || object.is<bool>() || object.is<double>()) && one_of(name, kNumberAttributes)) {
    return error(Code::kUnsupported, "attribute '{}' of {} is not supported", name, shown(object));
  }
  return bind_method(*this, object, name, found);
}

Result<Value> Runtime::attribute(const Value& object, std::string_view name) {
  if (object.is<Undefined>()) return tl::make_unexpected(undefined_error(object));
  bool found = false;
  ASSIGN_OR_RETURN(Value value, python_attribute(object, name, found));
  if (found) return value;
  if (const Dict* dict = object.as<Dict>()) {
    if (const Value* entry = (*dict)->find(name)) return *entry;
  }
  return undefined(fmt::format("{} has no attribute '{}'", shown(object), name));
}

Result<Value> Runtime::item(const Value& object, const Value& key) {
  if (object.is<Undefined>()) return tl::make_unexpected(undefined_error(object));
  RETURN_IF_ERROR(budget_.spend(weight_of(key)));
  if (const Dict* dict = object.as<Dict>()) {
    if (hashable(key)) {
      if (const Value* entry = (*dict)->find(key)) return *entry;
    }
  }
  const std::optional<Int> index = key.as_int();
  const std::optional<size_t> length = length_of(object);
  const Seq* list = object.as<Seq>();
  const bool indexed =
      object.is<Str>() || (list != nullptr && ((*list)->kind < SeqKind::kKeys || (*list)->kind == SeqKind::kGroup));
  if (index && indexed) {
    const Int n = static_cast<Int>(*length);
    const Int place = *index < 0 ? *index + n : *index;
    if (place >= 0 && place < n) {
      if (list != nullptr) return (*list)->items[static_cast<size_t>(place)];
      const StrObj& str = **object.as<Str>();
      if (str.ascii) return string(str.text.substr(static_cast<size_t>(place), 1), str.markup);
      RETURN_IF_ERROR(budget_.spend(str.text.size() / 64));
      const size_t begin = byte_offset(str.text, static_cast<size_t>(place));
      return string(str.text.substr(begin, code_point_at(str.text, begin).bytes), str.markup);
    }
  }
  if (const std::string* name = key.text()) {
    bool found = false;
    ASSIGN_OR_RETURN(Value value, python_attribute(object, *name, found));
    if (found) return value;
    return undefined(fmt::format("{} has no attribute '{}'", shown(object), *name));
  }
  ASSIGN_OR_RETURN(const std::string shown_key, to_repr(key, budget_));
  return undefined(fmt::format("{} has no element {}", shown(object), shown_key.substr(0, 80)));
}

Result<Value> Runtime::slice(const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is<Undefined>()) return tl::make_unexpected(undefined_error(object));
  ASSIGN_OR_RETURN(const std::optional<Int> first, slice_bound(start));
  ASSIGN_OR_RETURN(const std::optional<Int> last, slice_bound(stop));
  ASSIGN_OR_RETURN(const std::optional<Int> stride, slice_bound(step));
  const Seq* list = object.as<Seq>();
  const bool sliced =
      object.is<Str>() || (list != nullptr && ((*list)->kind < SeqKind::kKeys || (*list)->kind == SeqKind::kGroup));
  if (!sliced) return wrong("a value of type {} can't be sliced", type_name(object));
  if (stride == Int{0}) return wrong("a slice's step is 0");
  // Steps beyond any length act alike; this keeps the sums within 128 bits.
  static constexpr Int kFar = Int{1} << 64;
  const auto near = [](std::optional<Int> v) { return v ? std::optional(std::clamp(*v, -kFar, kFar)) : v; };
  const size_t length = *length_of(object);
  const Range range = clip(near(first), near(last), near(stride).value_or(1), static_cast<Int>(length));
  RETURN_IF_ERROR(budget_.spend(static_cast<uint64_t>(range.count())));

  if (list != nullptr) {
    if ((*list)->kind == SeqKind::kRange) {
      const SeqObj& r = **list;
      return this->range(r.start + range.start * r.step, r.start + range.stop * r.step, r.step * range.step);
    }
    std::vector<Value> items;
    for (Int i = range.start, n = range.count(); n > 0; i += range.step, --n) {
      items.push_back((*list)->items[static_cast<size_t>(i)]);
    }
    return seq((*list)->kind == SeqKind::kGroup ? SeqKind::kTuple : (*list)->kind, std::move(items));
  }
  const StrObj& str = **object.as<Str>();
  std::vector<size_t> offsets;  // where each code point begins, and the end; only of a text that is not ASCII
  if (!str.ascii) {
    RETURN_IF_ERROR(budget_.spend(length));
    for (size_t pos = 0; pos < str.text.size(); pos += code_point_at(str.text, pos).bytes) offsets.push_back(pos);
    offsets.push_back(str.text.size());
  }
  std::string out;
  for (Int i = range.start, n = range.count(); n > 0; i += range.step, --n) {
    const auto at = static_cast<size_t>(i);
    if (str.ascii) {
      out += str.text[at];
    } else {
      out.append(str.text, offsets[at], offsets[at + 1] - offsets[at]);
    }
  }
  return string(std::move(out), str.markup);
}

Result<bool> Runtime::contains(const Value& container, const Value& item) {
  RETURN_IF_ERROR(budget_.spend(weight_of(container)));
  RETURN_IF_ERROR(budget_.spend(weight_of(item)));
  if (container.is<Undefined>()) return false;
  if (const std::string* text = container.text()) {
    const std::string* part = item.text();
    if (part == nullptr) return wrong("'in' of a str wants a str, not {}", type_name(item));
    return text->find(*part) != std::string::npos;
  }
  if (const Dict* dict = container.as<Dict>()) {
    if (!hashable(item)) return wrong("a value of type {} can't be a dict's key", type_name(item));
    return (*dict)->find(item) != nullptr;
  }
  if (const Seq* list = container.as<Seq>()) {
    const auto& items = (*list)->items;
    return std::any_of(items.begin(), items.end(),
                       [&item](const Value& v) { return same(v, item) || equals(v, item); });
  }
  if (const Iter* iter = container.as<Iter>()) {
    IterObj& walk = **iter;
    while (walk.next < walk.items.size()) {
      if (equals(walk.items[walk.next++], item)) return true;
    }
    if (walk.error) return tl::make_unexpected(*walk.error);
    return false;
  }
  return wrong("a value of type {} contains nothing", type_name(container));
}

}  // namespace tercet::chat
