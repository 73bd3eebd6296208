// The operator %.
#include "chat/format.h"

#include <algorithm>
#include <cmath>

#include "chat/format_spec.h"
#include "chat/unicode.h"

namespace tercet::chat {
namespace {

class Printf {
 public:
  Printf(Runtime& rt, const Value& format, const Value& argument)
      : rt_(rt), format_(*format.text()), markup_(format.is_markup()), argument_(argument) {
    const Seq* list = argument.as<Seq>();
    tuple_ = list != nullptr && ((*list)->kind == SeqKind::kTuple || (*list)->kind == SeqKind::kGroup) ? list->get()
                                                                                                       : nullptr;
    mapping_ = argument.is<Dict>() || (list != nullptr && tuple_ == nullptr) || argument.is<Undefined>();
  }

  Result<Value> run();

 private:
  Result<Value> next_argument();
  Result<Int> number_or_star(size_t& at);
  Result<Value> keyed_argument(size_t& at);
  Status directive(size_t& at);
  Result<std::string> convert(const Value& value, Spec spec);
  Result<std::string> integer(const Value& value, Spec spec);

  Runtime& rt_;
  const std::string& format_;
  bool markup_;
  const Value& argument_;
  const SeqObj* tuple_;
  bool mapping_;
  size_t n_used_ = 0;
  std::string out_;
};

Result<Value> Printf::next_argument() {
  const size_t n = tuple_ != nullptr ? tuple_->items.size() : 1;
  if (n_used_ >= n) return wrong("not enough arguments for the format string");
  ++n_used_;
  return tuple_ != nullptr ? tuple_->items[n_used_ - 1] : argument_;
}

Result<Int> Printf::number_or_star(size_t& at) {
  if (at < format_.size() && format_[at] == '*') {
    ++at;
    ASSIGN_OR_RETURN(const Value value, next_argument());
    if (!value.as_int()) return wrong("format: * wants an int");
    return *value.as_int();
  }
  Int number = 0;
  while (at < format_.size() && format_[at] >= '0' && format_[at] <= '9' && number <= kMaxWidth) {
    number = number * 10 + (format_[at++] - '0');
  }
  return number;
}

Result<std::string> Printf::integer(const Value& value, Spec spec) {
  std::optional<Int> number = value.as_int();
  if (const double* real = value.as<double>();
      real != nullptr && (spec.type == 'd' || spec.type == 'i' || spec.type == 'u')) {
    if (!std::isfinite(*real)) return wrong("format: a float that is not finite as an integer");
    if (std::fabs(*real) >= 1e38) return error(Code::kLimit, "an integer is beyond 128 bits");
    number = static_cast<Int>(*real);
  }
  if (value.is<Undefined>()) return tl::make_unexpected(Runtime::undefined_error(value));
  if (!number) return wrong("format: %{} wants a number, not {}", spec.type, type_name(value));
  Spec digits_only = spec;
  if (spec.type == 'i' || spec.type == 'u') digits_only.type = 'd';
  std::string text = format_int(*number, digits_only);
  if (spec.precision >= 0) {
    const size_t head = text.find_first_of("-+ ") == 0 ? 1 : 0;
    const size_t prefix = spec.alternate && text.size() > head + 1 && text[head] == '0' && text[head + 1] > '9' ? 2 : 0;
    const size_t digits = text.size() - head - prefix;
    const auto wanted = static_cast<size_t>(spec.precision);
    if (digits < wanted) text.insert(head + prefix, wanted - digits, '0');
  }
  return text;
}

Result<std::string> Printf::convert(const Value& value, Spec spec) {
  switch (spec.type) {
    case 's':
    case 'r':
    case 'a': {
      ASSIGN_OR_RETURN(std::string text, spec.type == 's' ? rt_.text(value) : to_repr(value, rt_.budget()));
      if (markup_ && !value.is_markup()) text = escape_html(text);
      return cut(text, spec.precision);
    }
    case 'c': {
      if (value.text() != nullptr && length_of(value) == 1) return *value.text();
      std::string out;
      const std::optional<Int> code = value.as_int();
      if (!code || *code < 0 || *code > 0x10ffff || !append_code_point(out, static_cast<uint32_t>(*code))) {
        return wrong("format: %c wants one character");
      }
      return out;
    }
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X': return integer(value, spec);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': {
      if (value.is<Undefined>()) return tl::make_unexpected(Runtime::undefined_error(value));
      if (!value.as_number()) return wrong("format: %{} wants a number, not {}", spec.type, type_name(value));
      return format_float(*value.as_number(), spec);
    }
    default: return wrong("format: unknown conversion '%{}'", spec.type);
  }
}

// The value of %(key); `at` stands after its '('.
Result<Value> Printf::keyed_argument(size_t& at) {
  if (!mapping_ || argument_.is<Str>()) return wrong("format: %(name) wants a mapping");
  int open = 1;
  const size_t begin = at;
  for (; at < format_.size() && open > 0; ++at) open += format_[at] == '(' ? 1 : (format_[at] == ')' ? -1 : 0);
  if (open > 0) return wrong("format: a key has no end");
  const Dict* dict = argument_.as<Dict>();
  const std::string key = format_.substr(begin, at - 1 - begin);
  const Value* found = dict == nullptr ? nullptr : (*dict)->find(std::string_view(key));
  if (found == nullptr) return wrong("format: no key '{}'", key);
  return *found;
}

// One directive; `at` stands after its '%'.
Status Printf::directive(size_t& at) {
  Spec spec;
  const bool keyed = at < format_.size() && format_[at] == '(';
  Value value;
  if (keyed) {
    ++at;
    ASSIGN_OR_RETURN(value, keyed_argument(at));
  }
  bool zero = false;
  for (; at < format_.size() && std::string_view("-+ #0").find(format_[at]) != std::string_view::npos; ++at) {
    if (format_[at] == '-') spec.align = '<';
    if (format_[at] == '+') spec.sign = '+';
    if (format_[at] == ' ' && spec.sign != '+') spec.sign = ' ';
    if (format_[at] == '#') spec.alternate = true;
    if (format_[at] == '0') zero = true;
  }
  ASSIGN_OR_RETURN(spec.width, number_or_star(at));
  if (spec.width < 0) {
    spec.align = '<';
    spec.width = spec.width < -kMaxWidth ? kMaxWidth + 1 : -spec.width;
  }
  if (at < format_.size() && format_[at] == '.') {
    ++at;
    ASSIGN_OR_RETURN(spec.precision, number_or_star(at));
    spec.precision = std::max(spec.precision, Int{0});
  }
  if (spec.width > kMaxWidth || spec.precision > kMaxWidth)
    return error(Code::kLimit, "format: a field over {} wide", kMaxWidth);
  while (at < format_.size() && (format_[at] == 'h' || format_[at] == 'l' || format_[at] == 'L')) ++at;
  if (at >= format_.size()) return wrong("format: the format string ends in a directive");
  spec.type = format_[at++];
  if (spec.type == '%') {
    out_ += '%';
    return {};
  }
  if (!keyed) {
    ASSIGN_OR_RETURN(value, next_argument());
  }
  ASSIGN_OR_RETURN(std::string text, convert(value, spec));
  const bool number = std::string_view("srac").find(spec.type) == std::string_view::npos;
  if (zero && number && spec.align != '<') {
    spec.fill.assign(1, '0');
    spec.align = '=';
  }
  out_ += pad(std::move(text), spec, '>');
  return {};
}

Result<Value> Printf::run() {
  for (size_t at = 0; at < format_.size();) {
    const size_t percent = std::min(format_.find('%', at), format_.size());
    out_.append(format_, at, percent - at);
    at = percent + 1;
    if (percent == format_.size()) break;
    RETURN_IF_ERROR(directive(at));
    RETURN_IF_ERROR(rt_.budget().fits(out_.size()));
    RETURN_IF_ERROR(rt_.budget().spend(1));
  }
  const size_t n = tuple_ != nullptr ? tuple_->items.size() : 1;
  if (n_used_ < n && !mapping_) return wrong("not all arguments were used by the format string");
  return rt_.string(std::move(out_), markup_);
}

}  // namespace

Result<Value> printf_format(Runtime& rt, const Value& format, const Value& argument) {
  return Printf(rt, format, argument).run();
}

}  // namespace tercet::chat
