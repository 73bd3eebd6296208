// Owns metadata values: scalars, strings and arrays, as a GGUF file types them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tercet::gguf {

// The ids of the file format.
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};
inline constexpr uint32_t kValueTypeCount = 13;

// "uint8", "string", ...; and the bytes that one takes in the file, 0 for strings and arrays.
std::string_view value_type_name(ValueType type);
size_t value_type_bytes(ValueType type);

struct Value;

// An array stays as the file holds it, numbers of one byte in one byte, and is decoded an element at a time: a file
// cannot ask for much more memory than it is long.
class Array {
 public:
  // Numbers or bools, one after the other.
  Array(ValueType element_type, std::span<const std::byte> raw) : element_type_(element_type), raw_(raw) {}
  // Strings. Each is 8 bytes of length and then the text; starts[i] is where string i begins in `raw`, and one more
  // entry says where the last one ends.
  Array(std::span<const std::byte> raw, std::vector<uint32_t> starts)
      : element_type_(ValueType::kString), raw_(raw), starts_(std::move(starts)) {}

  ValueType element_type() const { return element_type_; }
  size_t size() const;
  bool empty() const { return size() == 0; }

  // Element i < size(), never an array. A string is a view that lives as long as the File.
  Value at(size_t i) const;
  std::string_view string_at(size_t i) const;  // element_type() must be kString

 private:
  ValueType element_type_;
  std::span<const std::byte> raw_;
  std::vector<uint32_t> starts_;  // strings only
};

// One metadata value. Integers are widened to 64 bits and floats to double; `type` says what the file held.
struct Value {
  ValueType type;
  std::variant<uint64_t, int64_t, double, bool, std::string_view, Array> data;

  // The value if it is an integer, signed or not, that T can hold.
  template <typename T>
  std::optional<T> as_integer() const {
    if (const auto* u = std::get_if<uint64_t>(&data); u != nullptr && std::in_range<T>(*u)) return static_cast<T>(*u);
    if (const auto* i = std::get_if<int64_t>(&data); i != nullptr && std::in_range<T>(*i)) return static_cast<T>(*i);
    return std::nullopt;
  }

  // For messages and listings: "uint32 48", "string 'qwen3moe'", "array of 3 float32". Foreign text is escaped and cut.
  std::string describe() const;
};

// One scalar of `type` (neither string nor array) from its value_type_bytes() bytes. A bool is true for any nonzero
// byte.
Value decode_scalar(ValueType type, const std::byte* bytes);

}  // namespace tercet::gguf
