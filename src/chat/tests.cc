// The tests of `is`.
#include <algorithm>

#include "chat/builtins.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

template <bool (*kHolds)(const Value&)>
Result<bool> plain(Runtime&, const Value& input, CallArgs args) {
  if (!args.positional.empty() || !args.named.empty()) return wrong("this test takes no arguments");
  return kHolds(input);
}

template <CompareOp kOp>
Result<bool> compared(Runtime& rt, const Value& input, CallArgs args) {
  if (args.positional.size() != 1 || !args.named.empty()) return wrong("this test takes one argument");
  return rt.compare(kOp, input, args.positional[0]);
}

Result<bool> remainder_is(Runtime& rt, const Value& input, const Value& divisor, Int wanted) {
  ASSIGN_OR_RETURN(const Value rest, rt.binary(BinaryOp::kMod, input, divisor));
  return equals(rest, Value(wanted));
}

template <int kRest>
Result<bool> parity(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("odd, even", std::move(args), {}));
  return remainder_is(rt, input, Value::integer(2), kRest);
}

Result<bool> divisible(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("divisibleby", std::move(args), {"num!"}));
  return remainder_is(rt, input, *bound.get(0), 0);
}

Result<bool> same_as(Runtime&, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("sameas", std::move(args), {"other!"}));
  return same(input, *bound.get(0));
}

Result<bool> inside(Runtime& rt, const Value& input, CallArgs args) {
  ASSIGN_OR_RETURN(const Bound bound, Bound::bind("in", std::move(args), {"seq!"}));
  return rt.contains(*bound.get(0), input);
}

// str.islower and str.isupper of what is printed.
template <bool (*kWanted)(int32_t), bool (*kOther)(int32_t)>
Result<bool> cased(Runtime& rt, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("lower, upper", std::move(args), {}));
  ASSIGN_OR_RETURN(const std::string text, rt.text(input));
  bool seen = false;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = code_point_at(text, pos);
    if (kOther(c.value) || is_title(c.value)) return false;
    seen = seen || kWanted(c.value);
    pos += c.bytes;
  }
  return seen;
}

template <bool kFilter>
Result<bool> known(Runtime&, const Value& input, CallArgs args) {
  RETURN_IF_ERROR(Bound::bind("filter, test", std::move(args), {}));
  if (!hashable(input)) return wrong("a value of type {} is no name", type_name(input));
  const std::string* name = input.text();
  return name != nullptr && (kFilter ? find_filter(*name) != nullptr : find_test(*name) != nullptr);
}

bool is_defined(const Value& v) { return !v.is<Undefined>(); }
bool is_undefined(const Value& v) { return v.is<Undefined>(); }
bool is_none(const Value& v) { return v.is<None>(); }
bool is_boolean(const Value& v) { return v.is<bool>(); }
bool is_true(const Value& v) { return v.is<bool>() && *v.as<bool>(); }
bool is_false(const Value& v) { return v.is<bool>() && !*v.as<bool>(); }
bool is_integer(const Value& v) { return v.is<Int>(); }
bool is_float(const Value& v) { return v.is<double>(); }
bool is_number(const Value& v) { return v.as_number().has_value(); }
bool is_string(const Value& v) { return v.is<Str>(); }
bool is_mapping(const Value& v) { return v.is<Dict>(); }
bool is_escaped(const Value& v) { return v.is_markup(); }
bool is_callable(const Value& v) { return v.is<Callable>() || v.is<Loop>() || v.is<Undefined>(); }

bool is_iterable(const Value& v) {
  return v.is<Undefined>() || v.is<Str>() || v.is<Seq>() || v.is<Dict>() || v.is<Iter>() || v.is<Loop>();
}

// What has a length and takes [].
bool is_sequence(const Value& v) {
  if (const Seq* seq = v.as<Seq>()) return (*seq)->kind < SeqKind::kKeys || (*seq)->kind == SeqKind::kGroup;
  return v.is<Undefined>() || v.is<Str>() || v.is<Dict>();
}

constexpr Test kTests[] = {
    {"!=", compared<CompareOp::kNe>},
    {"<", compared<CompareOp::kLt>},
    {"<=", compared<CompareOp::kLe>},
    {"==", compared<CompareOp::kEq>},
    {">", compared<CompareOp::kGt>},
    {">=", compared<CompareOp::kGe>},
    {"boolean", plain<is_boolean>},
    {"callable", plain<is_callable>},
    {"defined", plain<is_defined>},
    {"divisibleby", divisible},
    {"eq", compared<CompareOp::kEq>},
    {"equalto", compared<CompareOp::kEq>},
    {"escaped", plain<is_escaped>},
    {"even", parity<0>},
    {"false", plain<is_false>},
    {"filter", known<true>},
    {"float", plain<is_float>},
    {"ge", compared<CompareOp::kGe>},
    {"greaterthan", compared<CompareOp::kGt>},
    {"gt", compared<CompareOp::kGt>},
    {"in", inside},
    {"integer", plain<is_integer>},
    {"iterable", plain<is_iterable>},
    {"le", compared<CompareOp::kLe>},
    {"lessthan", compared<CompareOp::kLt>},
    {"lower", cased<is_lower, is_upper>},
    {"lt", compared<CompareOp::kLt>},
    {"mapping", plain<is_mapping>},
    {"ne", compared<CompareOp::kNe>},
    {"none", plain<is_none>},
    {"number", plain<is_number>},
    {"odd", parity<1>},
    {"sameas", same_as},
    {"sequence", plain<is_sequence>},
    {"string", plain<is_string>},
    {"test", known<false>},
    {"true", plain<is_true>},
    {"undefined", plain<is_undefined>},
    {"upper", cased<is_upper, is_lower>},
};

}  // namespace

const Test* find_test(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTests), std::end(kTests), [name](const Test& t) { return t.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace tercet::chat
