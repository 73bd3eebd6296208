// Owns the tensor directory's entries and the table of ggml's types: how many elements and bytes a block has. That is
// enough to check and list a tensor of any type; which of them can be run is quant's business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tercet::gguf {

inline constexpr size_t kMaxDims = 4;

// Up to four dimensions as in the file: [0] is the contiguous one.
class Dims {
 public:
  Dims() = default;
  explicit Dims(std::span<const uint64_t> sizes);  // at most kMaxDims of them

  size_t size() const { return n_dim_; }
  uint64_t operator[](size_t i) const { return sizes_[i]; }
  const uint64_t* begin() const { return sizes_.data(); }
  const uint64_t* end() const { return sizes_.data() + n_dim_; }

 private:
  std::array<uint64_t, kMaxDims> sizes_ = {};
  uint32_t n_dim_ = 0;
};

struct TensorInfo {
  std::string_view name;
  uint32_t type;                    // a ggml type id; quant::find_format() knows those that can be run
  Dims dims;                        // 1 to 4 of them, none 0
  uint64_t n_element;               // their product
  uint64_t offset;                  // of the data, from the start of the file; a multiple of the file's alignment
  uint64_t n_byte;                  // n_element / block size * block bytes
  std::span<const std::byte> data;  // n_byte of them
};

struct TensorType {
  uint32_t id;
  std::string_view name;  // "Q4_K"
  uint32_t block_size;    // elements a block; 0 for a type that ggml has given up, of which only the name is known
  uint32_t block_bytes;   // bytes a block
};

// The row of a ggml type id, or nullptr if there has never been such a type.
const TensorType* find_tensor_type(uint32_t id);
std::span<const TensorType> tensor_types();

// "Q4_K", or "type 99".
std::string tensor_type_name(uint32_t id);

struct TensorSize {
  uint64_t n_element;
  uint64_t n_byte;
};

// What a tensor of this type and these dimensions takes. The message of an error does not name the tensor; the caller
// puts that before it. Errors: kUnsupported for a type that is unknown or given up; kCorrupt for no dimension, more
// than four, a zero, a product over 2^63 - 1, or rows that are not whole blocks.
Result<TensorSize> measure_tensor(uint32_t type, std::span<const uint64_t> dims);

}  // namespace tercet::gguf
