#include "gguf/gguf.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"

namespace tercet::gguf {
namespace {

// Binary search in `order`, indices of `entries` sorted by `name`.
template <typename Entry>
const Entry* find_by_name(const std::vector<Entry>& entries, std::string_view Entry::* name,
                          const std::vector<uint32_t>& order, std::string_view wanted) {
  const auto at = std::lower_bound(order.begin(), order.end(), wanted,
                                   [&](uint32_t i, std::string_view text) { return entries[i].*name < text; });
  return at != order.end() && entries[*at].*name == wanted ? &entries[*at] : nullptr;
}

// Converters: the value as a T, or nothing.
template <typename T>
std::optional<T> to_integer(const Value& value) {
  return value.as_integer<T>();
}

std::optional<float> to_float(const Value& value) {
  const auto* const number = std::get_if<double>(&value.data);
  if (number == nullptr || (std::isfinite(*number) && std::abs(*number) > std::numeric_limits<float>::max()))
    return std::nullopt;
  return static_cast<float>(*number);
}

template <typename T>
std::optional<T> to_alternative(const Value& value) {
  const auto* const held = std::get_if<T>(&value.data);
  return held != nullptr ? std::optional(*held) : std::nullopt;
}

std::string place(const File& file, std::string_view key) {
  return fmt::format("{}: key '{}'", printable(file.path(), 4096), printable(key));
}

template <typename T>
Result<T> get(const File& file, std::string_view key, std::optional<T> (*convert)(const Value&),
              std::string_view wanted) {
  const Value* const value = file.find(key);
  if (value == nullptr) return error(Code::kCorrupt, "{}: missing, want {}", place(file, key), wanted);
  const std::optional<T> converted = convert(*value);
  if (!converted) return error(Code::kCorrupt, "{}: is {}, want {}", place(file, key), value->describe(), wanted);
  return *converted;
}

template <typename T>
Result<std::vector<T>> get_array(const File& file, std::string_view key, std::optional<T> (*convert)(const Value&),
                                 std::string_view wanted) {
  const Value* const value = file.find(key);
  if (value == nullptr) return error(Code::kCorrupt, "{}: missing, want an array of {}", place(file, key), wanted);
  const auto* const array = std::get_if<Array>(&value->data);
  if (array == nullptr)
    return error(Code::kCorrupt, "{}: is {}, want an array of {}", place(file, key), value->describe(), wanted);
  std::vector<T> converted;
  converted.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    const Value element = array->at(i);
    const std::optional<T> one = convert(element);
    if (!one)
      return error(Code::kCorrupt, "{}: element {} is {}, want an array of {}", place(file, key), i, element.describe(),
                   wanted);
    converted.push_back(*one);
  }
  return converted;
}

}  // namespace

Result<std::unique_ptr<File>> File::open(const std::string& path) {
  std::unique_ptr<File> file(new File);
  file->path_ = path;
  ASSIGN_OR_RETURN(file->map_, MappedFile::open(path));
  const Status status = file->read(file->map_->bytes());
  // If the file changed meanwhile, what parse() saw is no reason to call it corrupt, nor to trust it.
  RETURN_IF_ERROR(file->check_intact());
  RETURN_IF_ERROR(status);
  return file;
}

Result<std::unique_ptr<File>> File::from_memory(std::span<const std::byte> bytes, std::string name) {
  std::unique_ptr<File> file(new File);
  file->path_ = std::move(name);
  RETURN_IF_ERROR(file->read(bytes));
  return file;
}

Status File::read(std::span<const std::byte> bytes) {
  bytes_ = bytes;
  ASSIGN_OR_RETURN(contents_, parse(bytes, bytes.size(), path_));
  for (auto& info : contents_.tensors) info.data = bytes.subspan(info.offset, info.n_byte);
  return {};
}

Status File::check_intact() const { return map_ != nullptr ? map_->check_intact() : Status{}; }

const Value* File::find(std::string_view key) const {
  const KeyValue* const found = find_by_name(contents_.metadata, &KeyValue::key, contents_.by_key, key);
  return found != nullptr ? &found->value : nullptr;
}

const TensorInfo* File::find_tensor(std::string_view name) const {
  return find_by_name(contents_.tensors, &TensorInfo::name, contents_.by_name, name);
}

Result<uint32_t> File::get_u32(std::string_view key) const {
  return get(*this, key, to_integer<uint32_t>, "an integer from 0 to 4294967295");
}

Result<uint64_t> File::get_u64(std::string_view key) const {
  return get(*this, key, to_integer<uint64_t>, "an integer of at least 0");
}

Result<int32_t> File::get_i32(std::string_view key) const {
  return get(*this, key, to_integer<int32_t>, "an integer from -2147483648 to 2147483647");
}

Result<float> File::get_f32(std::string_view key) const { return get(*this, key, to_float, "a float"); }

Result<bool> File::get_bool(std::string_view key) const { return get(*this, key, to_alternative<bool>, "a bool"); }

Result<std::string_view> File::get_string(std::string_view key) const {
  return get(*this, key, to_alternative<std::string_view>, "a string");
}

Result<std::vector<std::string_view>> File::get_string_array(std::string_view key) const {
  return get_array(*this, key, to_alternative<std::string_view>, "strings");
}

Result<std::vector<int32_t>> File::get_i32_array(std::string_view key) const {
  return get_array(*this, key, to_integer<int32_t>, "integers from -2147483648 to 2147483647");
}

Result<std::vector<float>> File::get_f32_array(std::string_view key) const {
  return get_array(*this, key, to_float, "floats");
}

Result<uint32_t> File::get_u32_or(std::string_view key, uint32_t fallback) const {
  return find(key) != nullptr ? get_u32(key) : fallback;
}

Result<float> File::get_f32_or(std::string_view key, float fallback) const {
  return find(key) != nullptr ? get_f32(key) : fallback;
}

Result<bool> File::get_bool_or(std::string_view key, bool fallback) const {
  return find(key) != nullptr ? get_bool(key) : fallback;
}

Result<std::string_view> File::get_string_or(std::string_view key, std::string_view fallback) const {
  return find(key) != nullptr ? get_string(key) : fallback;
}

}  // namespace tercet::gguf
