#include "grammar/numbers.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

namespace tercet::grammar {
namespace {

using Fragment = Nfa::Fragment;

constexpr int64_t kMaxInteger = 999'999'999'999'999'999;  // 18 digits
constexpr long double kFar = 1e14L;
constexpr int kMaxDigits = 15;  // that a double tells apart

Fragment digits(Nfa& nfa, size_t n) {
  Fragment out = nfa.nothing();
  for (size_t i = 0; i < n; ++i) out = nfa.sequence(out, nfa.range('0', '9'));
  return out;
}

Fragment one(Nfa& nfa, char digit) { return nfa.range(static_cast<uint8_t>(digit), static_cast<uint8_t>(digit)); }

// Words of the digits' length that are at least, or at most, they.
Fragment bounded(Nfa& nfa, std::string_view limit, bool is_least) {
  if (limit.empty()) return nfa.nothing();
  std::vector<Fragment> parts = {nfa.sequence(one(nfa, limit[0]), bounded(nfa, limit.substr(1), is_least))};
  const char low = is_least ? static_cast<char>(limit[0] + 1) : '0';
  const char high = is_least ? '9' : static_cast<char>(limit[0] - 1);
  if (low <= high)
    parts.push_back(
        nfa.sequence(nfa.range(static_cast<uint8_t>(low), static_cast<uint8_t>(high)), digits(nfa, limit.size() - 1)));
  return nfa.either(parts);
}

// low and high have the same length.
Fragment between(Nfa& nfa, std::string_view low, std::string_view high) {
  if (low.empty()) return nfa.nothing();
  if (low[0] == high[0]) return nfa.sequence(one(nfa, low[0]), between(nfa, low.substr(1), high.substr(1)));
  std::vector<Fragment> parts = {nfa.sequence(one(nfa, low[0]), bounded(nfa, low.substr(1), true)),
                                 nfa.sequence(one(nfa, high[0]), bounded(nfa, high.substr(1), false))};
  if (low[0] + 1 < high[0])
    parts.push_back(nfa.sequence(nfa.range(static_cast<uint8_t>(low[0] + 1), static_cast<uint8_t>(high[0] - 1)),
                                 digits(nfa, low.size() - 1)));
  return nfa.either(parts);
}

// 0 <= low; nothing where high is less.
Fragment unsigned_between(Nfa& nfa, int64_t low, int64_t high) {
  std::vector<Fragment> parts;
  while (low <= high) {
    const std::string from = std::to_string(low);
    const int64_t last = std::min<int64_t>(high, std::stoll(std::string(from.size(), '9')));
    parts.push_back(between(nfa, from, std::to_string(last)));
    low = last + 1;
  }
  return nfa.either(parts);
}

Fragment signed_between(Nfa& nfa, int64_t low, int64_t high) {
  std::vector<Fragment> parts = {unsigned_between(nfa, std::max<int64_t>(low, 0), high)};
  if (low < 0) parts.push_back(nfa.sequence(nfa.text("-"), unsigned_between(nfa, std::max<int64_t>(1, -high), -low)));
  return nfa.either(parts);
}

int64_t clamped(long double value) {
  const auto most = static_cast<long double>(kMaxInteger);
  return value > most ? kMaxInteger + 1 : value < -most ? -kMaxInteger - 1 : static_cast<int64_t>(value);
}

// The bounds in one direction, so that 0 <= value: of the value's own for positive ones, mirrored for negative ones.
struct Decimal {
  std::string whole, fraction;  // without zeros at the end of the fraction
  bool is_exclusive = false;
};

// The shortest digits that are the double, with the point where it belongs.
Result<Decimal> decimal_of(const Bound& bound) {
  const auto value = static_cast<double>(std::fabs(bound.value));
  std::string shortest = fmt::format("{}", value);
  int exponent = 0;
  if (const size_t e = shortest.find('e'); e != std::string::npos) {
    exponent = std::stoi(shortest.substr(e + 1));
    shortest.resize(e);
  }
  const size_t point = std::min(shortest.find('.'), shortest.size());
  std::string digits = shortest.substr(0, point) + (point < shortest.size() ? shortest.substr(point + 1) : "");
  const int n_whole = static_cast<int>(point) + exponent;
  if (n_whole <= 0) digits.insert(0, static_cast<size_t>(1 - n_whole), '0');
  const size_t split = n_whole <= 0 ? 1 : static_cast<size_t>(n_whole);
  if (digits.size() < split) digits.append(split - digits.size(), '0');
  Decimal out{digits.substr(0, split), digits.substr(split), bound.is_exclusive};
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.pop_back();
  if (out.whole.size() + out.fraction.size() > kMaxDigits)
    return error(Code::kUnsupported, "the bound {}, want at most {} digits", static_cast<double>(bound.value),
                 kMaxDigits);
  return out;
}

// "." and digits, or nothing, where the digits after the point are at least (at most) `limit`.
Fragment fraction_bounded(Nfa& nfa, const Decimal& limit, bool is_least, size_t n_most) {
  const std::string& f = limit.fraction;
  const size_t n_free = n_most > f.size() ? n_most - f.size() : 0;
  const auto zeros = [&] { return nfa.repeat(0, static_cast<int>(n_free), [&] { return one(nfa, '0'); }); };
  const auto some = [&](size_t taken) {
    return nfa.repeat(0, static_cast<int>(n_most - taken), [&] { return nfa.range('0', '9'); });
  };
  std::vector<Fragment> parts;
  // The digits agree up to i, and there they differ in the right direction.
  for (size_t i = 0; i < f.size(); ++i) {
    const char low = is_least ? static_cast<char>(f[i] + 1) : '0';
    const char high = is_least ? '9' : static_cast<char>(f[i] - 1);
    if (low <= high)
      parts.push_back(nfa.sequence({nfa.text(fmt::format(".{}", f.substr(0, i))),
                                    nfa.range(static_cast<uint8_t>(low), static_cast<uint8_t>(high)), some(i + 1)}));
    // What ends here is less than the limit.
    if (!is_least) parts.push_back(i == 0 ? nfa.nothing() : nfa.text(fmt::format(".{}", f.substr(0, i))));
  }
  const auto equal = [&] { return f.empty() ? nfa.nothing() : nfa.sequence(nfa.text(fmt::format(".{}", f)), zeros()); };
  const auto beyond = [&] {
    // The same digits, and then one that is not 0.
    const Fragment begin = f.empty() ? nfa.text(".") : nfa.text(fmt::format(".{}", f));
    std::vector<Fragment> rest;
    for (size_t n_zero = 0; n_zero < n_free; ++n_zero)
      rest.push_back(
          nfa.sequence({nfa.text(std::string(n_zero, '0')), nfa.range('1', '9'),
                        nfa.repeat(0, static_cast<int>(n_free - n_zero - 1), [&] { return nfa.range('0', '9'); })}));
    return nfa.sequence(begin, nfa.either(rest));
  };
  if (!limit.is_exclusive) parts.push_back(equal());
  if (!limit.is_exclusive && f.empty()) parts.push_back(nfa.sequence(nfa.text(".0"), nfa.nothing()));
  if (is_least) parts.push_back(beyond());
  return nfa.either(parts);
}

Fragment any_fraction(Nfa& nfa, size_t n_most) {
  return nfa.optional(
      nfa.sequence(nfa.text("."), nfa.repeat(1, static_cast<int>(n_most), [&] { return nfa.range('0', '9'); })));
}

// Values from 0 on, on one side of a bound if there is one.
Result<Fragment> unsigned_number(Nfa& nfa, const std::optional<Decimal>& low, const std::optional<Decimal>& high) {
  constexpr int64_t kMost = 999'999'999;  // before the point: leaves 6 digits behind it
  const int64_t first = low ? std::stoll(low->whole) : 0;
  const int64_t last = high ? std::stoll(high->whole) : std::max(kMost, first);
  const size_t n_whole = std::to_string(last).size();
  const size_t n_fraction = static_cast<size_t>(kMaxDigits) - std::min<size_t>(n_whole, kMaxDigits);
  if (first > last) return nfa.either({});
  if (n_fraction == 0) return error(Code::kUnsupported, "a bound of {} digits, want fewer", n_whole);
  const auto cell = [&](int64_t whole) { return nfa.text(std::to_string(whole)); };
  std::vector<Fragment> parts;
  if (low) parts.push_back(nfa.sequence(cell(first), fraction_bounded(nfa, *low, true, n_fraction)));
  if (high) parts.push_back(nfa.sequence(cell(last), fraction_bounded(nfa, *high, false, n_fraction)));
  const int64_t from = low ? first + 1 : 0;
  const int64_t to = high ? last - 1 : last;
  parts.push_back(nfa.sequence(unsigned_between(nfa, from, to), any_fraction(nfa, n_fraction)));
  return nfa.either(parts);
}

// Any number.
Fragment free_number(Nfa& nfa) {
  const auto digit = [&] { return nfa.range('0', '9'); };
  const Fragment whole = nfa.either({nfa.text("0"), nfa.sequence(nfa.range('1', '9'), nfa.repeat(0, 17, digit))});
  const Fragment fraction = nfa.optional(nfa.sequence(nfa.text("."), nfa.repeat(1, 17, digit)));
  const Fragment sign = nfa.optional(nfa.either({nfa.text("+"), nfa.text("-")}));
  const Fragment exponent =
      nfa.optional(nfa.sequence({nfa.either({nfa.text("e"), nfa.text("E")}), sign, nfa.repeat(1, 2, digit)}));
  return nfa.sequence({nfa.optional(nfa.text("-")), whole, fraction, exponent});
}

// Numbers on one side of one bound.
Result<Fragment> half_line(Nfa& nfa, const Bound& bound, bool is_low) {
  // Beyond all that is written here: no limit at all.
  const bool is_far = is_low ? bound.value < -kFar : bound.value > kFar;
  Decimal limit;
  if (!is_far) {
    ASSIGN_OR_RETURN(limit, decimal_of(bound));
  }
  // Above: below zero, or at zero and without it ("-0" is zero as well).
  const bool is_below_zero = bound.value < 0 || (bound.value == 0 && bound.is_exclusive && !is_low);
  std::vector<Fragment> parts;
  const auto add = [&](std::string_view sign, const std::optional<Decimal>& low,
                       const std::optional<Decimal>& high) -> Status {
    ASSIGN_OR_RETURN(const Fragment part, unsigned_number(nfa, low, high));
    parts.push_back(nfa.sequence(nfa.text(sign), part));
    return {};
  };
  if (is_far) {
    RETURN_IF_ERROR(add("", std::nullopt, std::nullopt));
    RETURN_IF_ERROR(add("-", std::nullopt, std::nullopt));
  } else if (is_low && is_below_zero) {
    RETURN_IF_ERROR(add("", std::nullopt, std::nullopt));
    RETURN_IF_ERROR(add("-", std::nullopt, limit));
  } else if (is_low) {
    RETURN_IF_ERROR(add("", limit, std::nullopt));
  } else if (is_below_zero) {
    RETURN_IF_ERROR(add("-", limit, std::nullopt));
  } else {
    RETURN_IF_ERROR(add("", std::nullopt, limit));
    RETURN_IF_ERROR(add("-", std::nullopt, std::nullopt));
  }
  return nfa.either(parts);
}

}  // namespace

Result<Dfa> integers(const NumberRange& range, size_t max_state) {
  int64_t low = -kMaxInteger;
  int64_t high = kMaxInteger;
  if (range.low) {
    const long double value = std::ceil(range.low->value);
    low = clamped(value);
    if (range.low->is_exclusive && value == range.low->value) ++low;
  }
  if (range.high) {
    const long double value = std::floor(range.high->value);
    high = clamped(value);
    if (range.high->is_exclusive && value == range.high->value) --high;
  }
  Nfa nfa;
  return nfa.dfa(signed_between(nfa, std::max(low, -kMaxInteger), std::min(high, kMaxInteger)), max_state);
}

Result<Dfa> numbers(const NumberRange& range, size_t max_state) {
  std::optional<Dfa> out;
  const auto narrow = [&](const std::optional<Bound>& bound, bool is_low) -> Status {
    if (!bound) return {};
    Nfa nfa;
    ASSIGN_OR_RETURN(const Fragment half, half_line(nfa, *bound, is_low));
    ASSIGN_OR_RETURN(Dfa dfa, nfa.dfa(half, max_state));
    if (out) {
      ASSIGN_OR_RETURN(dfa, intersection(*out, dfa, max_state));
    }
    out = std::move(dfa);
    return {};
  };
  RETURN_IF_ERROR(narrow(range.low, true));
  RETURN_IF_ERROR(narrow(range.high, false));
  if (out) return *std::move(out);
  Nfa nfa;
  return nfa.dfa(free_number(nfa), max_state);
}

Result<Dfa> multiples_of(int64_t divisor, size_t max_state) {
  if (divisor < 1 || static_cast<size_t>(divisor) + 2 > max_state)
    return error(Code::kLimit, "{}, want a whole number from 1 to {}", divisor, max_state - 2);
  Dfa::Table table;
  table.add(false);  // before the first digit
  for (int64_t rest = 0; rest < divisor; ++rest) table.add(rest == 0);
  for (int64_t state = 0; state <= divisor; ++state)
    for (int64_t digit = 0; digit < 10; ++digit) {
      const int64_t rest = state == 0 ? 0 : state - 1;
      table.next[static_cast<size_t>(state)][static_cast<size_t>('0' + digit)] =
          static_cast<Dfa::State>((rest * 10 + digit) % divisor + 1);
    }
  table.next[0]['-'] = 0;
  return Dfa(table);
}

}  // namespace tercet::grammar
