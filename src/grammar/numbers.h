// Owns what numbers look like as JSON text: whole ones and others, free or within bounds.
#pragma once

#include <cstdint>
#include <optional>

#include "grammar/nfa.h"

namespace tercet::grammar {

struct Bound {
  long double value = 0;  // holds what is an int64 or a double
  bool is_exclusive = false;
};

struct NumberRange {
  std::optional<Bound> low, high;
};

// Whole numbers of at most 18 digits, without a fraction or an exponent. Where no number is within the range: no word.
Result<Dfa> integers(const NumberRange& range, size_t max_state);

// Any number, with an exponent of at most two digits; within a range without one, of at most 15 digits in all, so that no
// two of them are the same double. Errors: kUnsupported for a bound of more digits than that, kLimit.
Result<Dfa> numbers(const NumberRange& range, size_t max_state);

// Digits that are a multiple of `divisor`, after an optional sign.
Result<Dfa> multiples_of(int64_t divisor, size_t max_state);

}  // namespace tercet::grammar
