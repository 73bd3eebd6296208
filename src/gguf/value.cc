#include "gguf/value.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace tercet::gguf {
namespace {

// The file is little-endian and is read by copying.
static_assert(std::endian::native == std::endian::little);

struct TypeRow {
  std::string_view name;
  size_t n_byte;
};
constexpr std::array<TypeRow, kValueTypeCount> kTypes = {{{"uint8", 1},
                                                          {"int8", 1},
                                                          {"uint16", 2},
                                                          {"int16", 2},
                                                          {"uint32", 4},
                                                          {"int32", 4},
                                                          {"float32", 4},
                                                          {"bool", 1},
                                                          {"string", 0},
                                                          {"array", 0},
                                                          {"uint64", 8},
                                                          {"int64", 8},
                                                          {"float64", 8}}};

template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

constexpr size_t kLengthBytes = sizeof(uint64_t);  // before the text of a string

}  // namespace

std::string_view value_type_name(ValueType type) { return kTypes[static_cast<uint32_t>(type)].name; }
size_t value_type_bytes(ValueType type) { return kTypes[static_cast<uint32_t>(type)].n_byte; }

Value decode_scalar(ValueType type, const std::byte* bytes) {
  CHECK(type != ValueType::kString && type != ValueType::kArray);
  switch (type) {
    case ValueType::kUint8: return {type, uint64_t{load<uint8_t>(bytes)}};
    case ValueType::kInt8: return {type, int64_t{load<int8_t>(bytes)}};
    case ValueType::kUint16: return {type, uint64_t{load<uint16_t>(bytes)}};
    case ValueType::kInt16: return {type, int64_t{load<int16_t>(bytes)}};
    case ValueType::kUint32: return {type, uint64_t{load<uint32_t>(bytes)}};
    case ValueType::kInt32: return {type, int64_t{load<int32_t>(bytes)}};
    case ValueType::kFloat32: return {type, double{load<float>(bytes)}};
    case ValueType::kBool: return {type, load<uint8_t>(bytes) != 0};
    case ValueType::kUint64: return {type, load<uint64_t>(bytes)};
    case ValueType::kInt64: return {type, load<int64_t>(bytes)};
    case ValueType::kFloat64: return {type, load<double>(bytes)};
    case ValueType::kString:
    case ValueType::kArray: break;
  }
  __builtin_unreachable();
}

size_t Array::size() const {
  if (element_type_ == ValueType::kString) return starts_.size() - 1;
  return raw_.size() / value_type_bytes(element_type_);
}

Value Array::at(size_t i) const {
  if (element_type_ == ValueType::kString) return {element_type_, string_at(i)};
  CHECK(i < size());
  return decode_scalar(element_type_, raw_.data() + i * value_type_bytes(element_type_));
}

std::string_view Array::string_at(size_t i) const {
  CHECK(element_type_ == ValueType::kString && i < size());
  const size_t begin = starts_[i] + kLengthBytes;
  return {reinterpret_cast<const char*>(raw_.data()) + begin, starts_[i + 1] - begin};
}

std::string Value::describe() const {
  const auto show = [&](const auto& value) -> std::string {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<T, Array>)
      return fmt::format("array of {} {}", value.size(), value_type_name(value.element_type()));
    else if constexpr (std::is_same_v<T, std::string_view>)
      return fmt::format("string '{}'", printable(value));
    else
      return fmt::format("{} {}", value_type_name(type), value);
  };
  return std::visit(show, data);
}

}  // namespace tercet::gguf
