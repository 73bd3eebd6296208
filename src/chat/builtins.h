// Owns the tables of filters and tests: one row each, found by name when a template is parsed. A new one is a function
// and a line in filters.cc, filters_seq.cc or tests.cc.
#pragma once

#include <string_view>

#include "chat/runtime.h"

namespace tercet::chat {

struct Filter {
  std::string_view name;
  Result<Value> (*run)(Runtime&, const Value& input, CallArgs args);
};

struct Test {
  std::string_view name;
  Result<bool> (*run)(Runtime&, const Value& input, CallArgs args);
};

// nullptr when there is none.
const Filter* find_filter(std::string_view name);
const Filter* find_sequence_filter(std::string_view name);  // those of filters_seq.cc, for find_filter
const Test* find_test(std::string_view name);

}  // namespace tercet::chat
