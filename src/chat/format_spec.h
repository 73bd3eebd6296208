// Owns what the two ways of formatting share: a field's specification, and numbers and text laid out by it.
#pragma once

#include <string>

#include "chat/value.h"

namespace tercet::chat {

// Wider fields than any prompt has.
inline constexpr Int kMaxWidth = 1'000'000;

struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =, or none: the type's own
  char sign = '-';    // + - or space
  bool alternate = false;
  char grouping = '\0';
  Int width = 0;
  Int precision = -1;
  char type = '\0';
};

// `text` filled up to the width, in code points.
std::string pad(std::string text, const Spec& spec, char default_align);
// The first `precision` code points; all if it is negative.
std::string cut(const std::string& text, Int precision);
std::string format_int(Int value, const Spec& spec);
// Errors: kLimit for a precision that is too large.
Result<std::string> format_float(double value, const Spec& spec);

}  // namespace tercet::chat
