// Owns what of regular expressions can be enforced: the part of ECMA 262 that is regular and that Python's `re` reads the
// same way.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/nfa.h"

namespace tercet::grammar {

// The strings that a JSON schema's `pattern` matches somewhere, as they stand between the quotes of a JSON string.
// Literals, classes, groups, alternatives, * + ? {n,m} (lazy ones too), ^ and $ at the ends. Where dialects differ (\d
// beyond ASCII, what `.` leaves out, $ before a last line end) it takes what all of them take. Errors: kUnsupported
// (look-around, references, \b, \p, flags) and kInvalidArgument, with the place; kLimit.
Result<Nfa::Fragment> add_regex(Nfa& nfa, std::string_view pattern);

}  // namespace tercet::grammar
