#include "server/fields.h"

#include <boost/json.hpp>
#include <cmath>
#include <string>

namespace tercet::server {

namespace json = boost::json;

Result<json::object> parse_body(std::string_view body) {
  boost::system::error_code failed;
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  json::stream_parser parser({}, options);
  const size_t n = parser.write_some(body.data(), body.size(), failed);
  if (!failed && n < body.size()) failed = json::error::extra_data;
  if (!failed) parser.finish(failed);
  if (failed)
    return error(Code::kInvalidArgument,
                 "the body is no JSON: {} at byte {} of {}, want an object of UTF-8, {} levels at most",
                 failed.message(), n, body.size(), kMaxJsonDepth);
  json::value value = parser.release();
  if (!value.is_object()) return error(Code::kInvalidArgument, "the body is {}, want an object", kind_of(value));
  return std::move(value.get_object());
}

std::optional<int64_t> whole_number(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (!value.is_double()) return std::nullopt;
  const double given = value.get_double();
  if (std::trunc(given) != given || std::fabs(given) > 9e15) return std::nullopt;
  return static_cast<int64_t>(given);
}

double shortest(float value) { return std::stod(fmt::format("{}", value)); }

const json::value* Fields::find(std::string_view name) const {
  const json::value* value = object_->if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string Fields::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

tl::unexpected<Error> Fields::wrong(std::string_view name, std::string_view wanted) const {
  const json::value* value = find(name);
  return error(Code::kInvalidArgument, "{}: {}, want {}", path(name), value == nullptr ? "absent" : kind_of(*value),
               wanted);
}

Result<std::optional<bool>> Fields::boolean(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return wrong(name, "a boolean");
  return value->get_bool();
}

Result<std::optional<int64_t>> Fields::integer(std::string_view name, int64_t least, int64_t most) const {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string wanted = fmt::format("a whole number, {} to {}", least, most);
  if (!value->is_number()) return wrong(name, wanted);
  const std::optional<int64_t> number = whole_number(*value);
  if (!number || *number < least || *number > most)
    return error(Code::kInvalidArgument, "{}: {}, want {}", path(name), json::serialize(*value), wanted);
  return number;
}

Result<std::optional<float>> Fields::number(std::string_view name, double least, double most) const {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) return wrong(name, fmt::format("a number, {} to {}", least, most));
  const double number = value->to_number<double>();
  if (!(number >= least && number <= most))
    return error(Code::kInvalidArgument, "{}: {}, want a number, {} to {}", path(name), number, least, most);
  return static_cast<float>(number);
}

Result<std::optional<std::string>> Fields::text(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong(name, "a string");
  return std::string(value->get_string());
}

Result<const json::object*> Fields::object(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) return wrong(name, "an object");
  return &value->get_object();
}

Result<const json::array*> Fields::array(std::string_view name) const {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) return wrong(name, "an array");
  return &value->get_array();
}

}  // namespace tercet::server
