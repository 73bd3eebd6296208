// Python's operators on the values of a template.
#include <algorithm>
#include <cmath>

#include "chat/format.h"
#include "chat/runtime.h"

namespace tercet::chat {
namespace {

constexpr std::string_view kOperatorNames[] = {"+", "-", "*", "/", "//", "%", "**"};

tl::unexpected<Error> overflow() { return error(Code::kLimit, "an integer is beyond 128 bits"); }

tl::unexpected<Error> unordered(const Value& a, const Value& b) {
  return wrong("values of type {} and {} have no order", type_name(a), type_name(b));
}

Result<Value> int_power(Int base, Int exponent) {
  if (exponent < 0) {
    if (base == 0) return wrong("0 can't be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  Int result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow();
  }
  return Value(result);
}

Int floor_div(Int a, Int b) {
  const Int quotient = a / b;
  return a % b != 0 && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

Result<Value> int_binary(BinaryOp op, Int a, Int b) {
  Int result = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return overflow();
      return Value(result);
    case BinaryOp::kSub:
      if (__builtin_sub_overflow(a, b, &result)) return overflow();
      return Value(result);
    case BinaryOp::kMul:
      if (__builtin_mul_overflow(a, b, &result)) return overflow();
      return Value(result);
    case BinaryOp::kPow:
      return int_power(a, b);
    default:
      break;
  }
  if (b == 0) return wrong("division by zero");
  if (b == -1) {
    if (op == BinaryOp::kMod) return Value(Int{0});
    if (__builtin_sub_overflow(Int{0}, a, &result)) return overflow();
    return op == BinaryOp::kDiv ? Value(static_cast<double>(result)) : Value(result);
  }
  if (op == BinaryOp::kDiv) return Value(static_cast<double>(a) / static_cast<double>(b));
  const Int quotient = floor_div(a, b);
  return op == BinaryOp::kFloorDiv ? Value(quotient) : Value(a - quotient * b);
}

// Python's float modulo has the divisor's sign.
double float_mod(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  return rest == 0 ? std::copysign(0.0, b) : rest;
}

double float_floor_div(double a, double b) {
  const double rest = float_mod(a, b);
  const double quotient = (a - rest) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Result<Value> float_binary(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value(a + b);
    case BinaryOp::kSub:
      return Value(a - b);
    case BinaryOp::kMul:
      return Value(a * b);
    case BinaryOp::kPow: {
      if (a == 0 && b < 0) return wrong("0.0 can't be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::floor(b) != b) {
        return error(Code::kUnsupported, "a negative number to a broken power is complex");
      }
      const double power = std::pow(a, b);
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) return wrong("the power is too large for a float");
      return Value(power);
    }
    default:
      break;
  }
  if (b == 0) return wrong("division by zero");
  if (op == BinaryOp::kDiv) return Value(a / b);
  return Value(op == BinaryOp::kFloorDiv ? float_floor_div(a, b) : float_mod(a, b));
}

bool concatenable(const Seq* a, const Seq* b) {
  if (a == nullptr || b == nullptr) return false;
  const auto kind = [](SeqKind k) { return k == SeqKind::kGroup ? SeqKind::kTuple : k; };
  return kind((*a)->kind) == kind((*b)->kind) &&
         (kind((*a)->kind) == SeqKind::kList || kind((*a)->kind) == SeqKind::kTuple);
}

}  // namespace

Result<Value> Runtime::add(const Value& a, const Value& b) {
  const std::string* left = a.text();
  const std::string* right = b.text();
  if (left != nullptr && right != nullptr) {
    const bool markup = a.is_markup() || b.is_markup();
    if (!markup) return string(*left + *right);
    return string((a.is_markup() ? *left : escape_html(*left)) + (b.is_markup() ? *right : escape_html(*right)), true);
  }
  const Seq* head = a.as<Seq>();
  const Seq* tail = b.as<Seq>();
  if (!concatenable(head, tail)) {
    return wrong("operator + is not for values of type {} and {}", type_name(a), type_name(b));
  }
  RETURN_IF_ERROR(budget_.fits(((*head)->items.size() + (*tail)->items.size()) * sizeof(Value)));
  std::vector<Value> items = (*head)->items;
  items.insert(items.end(), (*tail)->items.begin(), (*tail)->items.end());
  return (*head)->kind == SeqKind::kList ? list(std::move(items)) : tuple(std::move(items));
}

Result<Value> Runtime::repeat(const Value& sequence, Int times) {
  const Seq* one = sequence.as<Seq>();
  const std::string* str = sequence.text();
  const uint64_t bytes = str != nullptr ? str->size() : (*one)->items.size() * sizeof(Value);
  if (times < 0 || bytes == 0) times = 0;
  if (times > 0) {
    const Int total = times > (Int{1} << 60) ? (Int{1} << 62) : times * static_cast<Int>(bytes);
    RETURN_IF_ERROR(budget_.fits(static_cast<uint64_t>(std::min(total, Int{1} << 62))));
  }
  if (str != nullptr) {
    std::string out;
    out.reserve(static_cast<size_t>(times) * str->size());
    for (Int i = 0; i < times; ++i) out += *str;
    return string(std::move(out), sequence.is_markup());
  }
  std::vector<Value> items;
  for (Int i = 0; i < times; ++i) items.insert(items.end(), (*one)->items.begin(), (*one)->items.end());
  return (*one)->kind == SeqKind::kList ? list(std::move(items)) : tuple(std::move(items));
}

Result<Value> Runtime::multiply(const Value& a, const Value& b) {
  const auto repeatable = [](const Value& v) {
    const Seq* list = v.as<Seq>();
    return v.is<Str>() || (list != nullptr && ((*list)->kind <= SeqKind::kTuple || (*list)->kind == SeqKind::kGroup));
  };
  if (repeatable(a) && b.as_int()) return repeat(a, *b.as_int());
  if (repeatable(b) && a.as_int()) return repeat(b, *a.as_int());
  return wrong("operator * is not for values of type {} and {}", type_name(a), type_name(b));
}

Result<Value> Runtime::binary(BinaryOp op, const Value& a, const Value& b) {
  if (a.as_int() && b.as_int()) return int_binary(op, *a.as_int(), *b.as_int());
  if (a.as_number() && b.as_number()) return float_binary(op, *a.as_number(), *b.as_number());
  if (op == BinaryOp::kMod && a.is<Str>()) return printf_format(*this, a, b);
  if (a.is<Undefined>()) return tl::make_unexpected(undefined_error(a));
  if (b.is<Undefined>()) return tl::make_unexpected(undefined_error(b));
  if (op == BinaryOp::kAdd) return add(a, b);
  if (op == BinaryOp::kMul) return multiply(a, b);
  return wrong("operator {} is not for values of type {} and {}", kOperatorNames[static_cast<size_t>(op)], type_name(a),
               type_name(b));
}

Result<Value> Runtime::sign(const Value& value, bool negative) {
  if (value.is<Undefined>()) return tl::make_unexpected(undefined_error(value));
  if (const std::optional<Int> integer = value.as_int()) {
    return negative ? int_binary(BinaryOp::kSub, 0, *integer) : Value(*integer);
  }
  if (const double* real = value.as<double>()) return Value(negative ? -*real : *real);
  return wrong("a value of type {} has no sign", type_name(value));
}

Result<bool> Runtime::compare(CompareOp op, const Value& a, const Value& b) {
  RETURN_IF_ERROR(budget_.spend(std::min(weight_of(a), weight_of(b))));
  switch (op) {
    case CompareOp::kEq:
      return equals(a, b);
    case CompareOp::kNe:
      return !equals(a, b);
    case CompareOp::kIn:
      return contains(b, a);
    case CompareOp::kNotIn: {
      ASSIGN_OR_RETURN(const bool inside, contains(b, a));
      return !inside;
    }
    default:
      break;
  }
  if (a.is<Undefined>()) return tl::make_unexpected(undefined_error(a));
  if (b.is<Undefined>()) return tl::make_unexpected(undefined_error(b));
  const std::optional<int> result = order(a, b);
  if (!result) return unordered(a, b);
  if (*result == 2 && a.as_number()) return false;  // NaN
  if (op == CompareOp::kLt) return *result < 0;
  if (op == CompareOp::kLe) return *result <= 0;
  return op == CompareOp::kGt ? *result > 0 : *result >= 0;
}

Result<bool> Runtime::less(const Value& a, const Value& b) { return compare(CompareOp::kLt, a, b); }

// A merge sort of our own: a comparison may fail or contradict itself (NaN), which std::sort does not allow.
Status Runtime::sort(std::vector<Value>& items, std::vector<Value> keys, bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<size_t> merged(order.size());
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, order.size());
      const size_t end = std::min(begin + 2 * width, order.size());
      size_t left = begin;
      size_t right = middle;
      for (size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
          RETURN_IF_ERROR(budget_.spend(1));
          const Value& a = keys[order[left]];
          const Value& b = keys[order[right]];
          ASSIGN_OR_RETURN(take_right, reverse ? less(a, b) : less(b, a));
        }
        merged[out] = take_right ? order[right++] : order[left++];
      }
    }
    order.swap(merged);
  }
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (const size_t i : order) sorted.push_back(items[i]);
  items = std::move(sorted);
  return {};
}

}  // namespace tercet::chat
