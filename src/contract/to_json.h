// Owns how what receipts and reports both hold is written as JSON.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/text.h"

namespace tercet::contract {

// JSON is UTF-8, which what comes from files and devices need not be.
inline boost::json::value text(std::string_view s) { return boost::json::value(valid_utf8(s)); }

inline boost::json::array texts(const std::vector<std::string>& items) {
  boost::json::array out;
  for (const std::string& item : items) out.push_back(text(item));
  return out;
}

// null where there is none.
inline boost::json::value precision(const std::optional<backend::Precision>& p) {
  return p ? text(backend::precision_name(*p)) : boost::json::value(nullptr);
}

}  // namespace tercet::contract
