// Owns what a GGUF file says: the metadata values, the tensor directory, and the bytes behind them.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
// Everything in a file is hostile until it is checked here: after open() succeeds, every tensor's bytes lie inside the
// file, do not overlap another's, and have exactly the size that its dimensions and type ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tercet::gguf {

// The ids of the file format.
enum class ValueType : uint32_t {
  kUint8 = 0, kInt8 = 1, kUint16 = 2, kInt16 = 3, kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7,
  kString = 8, kArray = 9, kUint64 = 10, kInt64 = 11, kFloat64 = 12,
};

// An array of numbers keeps its file type; strings are views into the mapped file.
struct Array {
  ValueType element_type;
  std::variant<std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>, std::vector<bool>,
               std::vector<std::string_view>>
      values;  // uint*, int*, float*, bool, string in that order
  size_t size() const;
};

// One metadata value. Integers are widened to 64 bits and floats to double; `type` says what the file held.
struct Value {
  ValueType type;
  std::variant<uint64_t, int64_t, double, bool, std::string_view, Array> data;
};

struct TensorInfo {
  std::string_view name;
  uint32_t type;                   // a ggml type id; quant::find_format() knows those that can be run
  std::vector<uint64_t> dims;      // as in the file: dims[0] is the contiguous one; 1 to 4 of them, none 0
  uint64_t n_element;
  uint64_t offset;                 // from the start of the file
  std::span<const std::byte> data; // n_element / block size * block bytes
};

class File {
 public:
  // Maps and checks the file. Errors: kNotFound, kIo, kCorrupt, kUnsupported (big-endian, version 1, unknown type).
  static Result<std::unique_ptr<File>> open(const std::string& path);

  // The same over memory that the caller owns and keeps alive as long as the File. `name` stands in messages.
  static Result<std::unique_ptr<File>> from_memory(std::span<const std::byte> bytes, std::string name);
};

}  // namespace tercet::gguf
