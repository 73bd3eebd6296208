// Owns the reading of a request's JSON: a field that is there has to have its type, null is absent, unknown fields are
// nobody's business, and every refusal begins with the field's path.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/messages.h"

namespace tercet::server {

inline constexpr size_t kMaxJsonDepth = 64;

// Errors: kInvalidArgument (no JSON, or no object; the place is named).
Result<boost::json::object> parse_body(std::string_view body);

using chat::kind_of;

// A whole number as JSON may write it: 3, 3.0 and 0.3e1 are one. Nothing for any other value, and beyond what an int64 holds.
std::optional<int64_t> whole_number(const boost::json::value& value);
// The shortest decimal that is read as this float again: 0.8, not 0.800000011920929.
double shortest(float value);

class Fields {
 public:
  // `object` must outlive this. `path`: where the object stands, empty for the body itself.
  explicit Fields(const boost::json::object& object, std::string path = {})
      : object_(&object), path_(std::move(path)) {}

  const boost::json::value* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string path(std::string_view name) const;

  // Nothing, or null, where the field is absent. Errors: kInvalidArgument.
  Result<std::optional<bool>> boolean(std::string_view name) const;
  Result<std::optional<int64_t>> integer(std::string_view name, int64_t least, int64_t most) const;
  Result<std::optional<float>> number(std::string_view name, double least, double most) const;
  Result<std::optional<std::string>> text(std::string_view name) const;
  Result<const boost::json::object*> object(std::string_view name) const;
  Result<const boost::json::array*> array(std::string_view name) const;

  tl::unexpected<Error> wrong(std::string_view name, std::string_view wanted) const;

 private:
  const boost::json::object* object_;
  std::string path_;
};

}  // namespace tercet::server
