// Owns the step from bytes that nobody has checked to contents that everybody may rely on, and the limits on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/tensor.h"
#include "gguf/value.h"

namespace tercet::gguf {

// Several times what the largest vocabularies and the most finely split models need (15 MB of header; 20,000 tensors;
// 500,000 merges), and together a bound on the memory that a file's header can take: under 200 MB.
inline constexpr uint64_t kMaxHeaderBytes = uint64_t{48} << 20;
inline constexpr uint64_t kMaxKeys = 65'536;
inline constexpr uint64_t kMaxTensors = 262'144;
inline constexpr uint64_t kMaxArrayElements = 2'097'152;
inline constexpr uint64_t kMaxKeyBytes = 65'535;      // the format's own
inline constexpr uint64_t kMaxTensorNameBytes = 127;  // the format says 64; some writers take more

// "general.alignment" is a power of two; the format wants a multiple of 8. A tensor's offset is a multiple of it.
inline constexpr uint32_t kDefaultAlignment = 32;
inline constexpr uint32_t kMinAlignment = 8;
inline constexpr uint32_t kMaxAlignment = uint32_t{1} << 20;

struct KeyValue {
  std::string_view key;
  Value value;
};

struct Contents {
  // A copy of the bytes before the tensor data, which all views in here point to: they must not change between the
  // check and the use, whatever happens to the file.
  std::unique_ptr<std::byte[]> header;
  uint32_t version;
  uint32_t alignment;
  uint64_t data_offset;             // where tensor data begins
  std::vector<KeyValue> metadata;   // in the file's order
  std::vector<uint32_t> by_key;     // indices of metadata, sorted by key
  std::vector<TensorInfo> tensors;  // in the file's order; their `data` is left empty
  std::vector<uint32_t> by_name;    // indices of tensors, sorted by name
};

// Reads the header of a file of `file_bytes` bytes, of which `bytes` are the first ones: all of them, or at least the
// header. Every tensor is then known to lie inside the file, aligned, and apart from the others. `name` stands in
// messages. Errors: kCorrupt; kUnsupported (big-endian, another version, a type nobody knows, arrays of arrays);
// kLimit.
Result<Contents> parse(std::span<const std::byte> bytes, uint64_t file_bytes, std::string_view name);

}  // namespace tercet::gguf
