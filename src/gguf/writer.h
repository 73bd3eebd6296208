// Owns writing GGUF files, version 3: metadata and tensors in the order in which they are added, byte for byte as the
// `gguf` package lays them out. A file may be written as a whole, or planned first and filled in place.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/parse.h"
#include "gguf/value.h"

namespace tercet::gguf {

// Exactly these, so that no value is written in a type that its author did not see.
template <typename T>
concept Scalar =
    std::same_as<T, uint8_t> || std::same_as<T, int8_t> || std::same_as<T, uint16_t> || std::same_as<T, int16_t> ||
    std::same_as<T, uint32_t> || std::same_as<T, int32_t> || std::same_as<T, float> || std::same_as<T, bool> ||
    std::same_as<T, uint64_t> || std::same_as<T, int64_t> || std::same_as<T, double>;

template <Scalar T>
constexpr ValueType value_type_of() {
  if constexpr (std::same_as<T, uint8_t>) return ValueType::kUint8;
  if constexpr (std::same_as<T, int8_t>) return ValueType::kInt8;
  if constexpr (std::same_as<T, uint16_t>) return ValueType::kUint16;
  if constexpr (std::same_as<T, int16_t>) return ValueType::kInt16;
  if constexpr (std::same_as<T, uint32_t>) return ValueType::kUint32;
  if constexpr (std::same_as<T, int32_t>) return ValueType::kInt32;
  if constexpr (std::same_as<T, float>) return ValueType::kFloat32;
  if constexpr (std::same_as<T, bool>) return ValueType::kBool;
  if constexpr (std::same_as<T, uint64_t>) return ValueType::kUint64;
  if constexpr (std::same_as<T, int64_t>) return ValueType::kInt64;
  if constexpr (std::same_as<T, double>) return ValueType::kFloat64;
}

// Where everything of a planned file lies.
struct Layout {
  struct Tensor {
    std::string name;
    uint64_t offset;  // from the start of the file
    uint64_t n_byte;
  };
  std::vector<std::byte> header;  // the file's first bytes, up to where tensor data begins
  std::vector<Tensor> tensors;    // in the order of add_tensor()
  uint64_t file_bytes;            // of the whole file; what no tensor covers after the header is zeros
};

class Writer {
 public:
  // Metadata: a number or bool of exactly T, or a string.
  template <Scalar T>
  void add(std::string_view key, T value) {
    put_key(key, value_type_of<T>());
    put(value);
  }
  void add(std::string_view key, std::string_view text);

  // Metadata: an array of numbers, bools or strings; may be empty.
  template <std::ranges::sized_range Range>
  void add_array(std::string_view key, const Range& values) {
    using T = std::ranges::range_value_t<Range>;
    put_key(key, ValueType::kArray);
    if constexpr (std::convertible_to<T, std::string_view>) {
      put_array(ValueType::kString, std::ranges::size(values));
      for (const std::string_view text : values) put_text(text);
    } else {
      put_array(value_type_of<T>(), std::ranges::size(values));
      for (const T value : values) put(value);
    }
  }

  // Adds the key general.alignment here; without it the alignment is kDefaultAlignment.
  void set_alignment(uint32_t alignment);

  // `dims` as in the file: dims[0] is the contiguous one. `data` is not copied and must stay until the file is written;
  // it is empty for a tensor that is filled in place after layout().
  void add_tensor(std::string_view name, uint32_t type, std::vector<uint64_t> dims,
                  std::span<const std::byte> data = {});

  // Plans the file. Errors: kInvalidArgument for whatever File::open() would refuse: a key or tensor twice, a bad name,
  // an odd alignment, dimensions that do not fit the type.
  Result<Layout> layout() const;

  // Writes the file, every tensor with its data, piece by piece to `sink`, whose error ends it. Errors: those of
  // layout(); kInvalidArgument for data of another size than the dimensions ask for; the sink's.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  Status write(const Sink& sink) const;
  Result<std::vector<std::byte>> to_bytes() const;
  Status write_file(const std::string& path) const;  // errors: kIo as well; what was written so far stays

 private:
  struct Tensor {
    std::string name;
    uint32_t type;
    std::vector<uint64_t> dims;
    std::span<const std::byte> data;
  };

  template <typename T>
  void put(T value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    metadata_.insert(metadata_.end(), bytes.begin(), bytes.end());
  }
  // layout(), and every tensor has the data that it asks for.
  Result<Layout> layout_with_data() const;
  Status write_planned(const Layout& plan, const Sink& sink) const;

  void put_text(std::string_view text);
  void put_key(std::string_view key, ValueType type);
  void put_array(ValueType element_type, size_t count);

  std::vector<std::byte> metadata_;  // encoded
  uint64_t n_key_ = 0;
  std::vector<Tensor> tensors_;
  uint32_t alignment_ = kDefaultAlignment;
};

}  // namespace tercet::gguf
