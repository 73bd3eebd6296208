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
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "gguf/parse.h"
#include "gguf/tensor.h"
#include "gguf/value.h"

namespace tercet::gguf {

class File {
 public:
  // Maps and checks the file. Errors: kNotFound; kInvalidArgument (a directory, a FIFO); kIo; kCorrupt; kUnsupported
  // (big-endian, version 1, a type nobody knows); kLimit (parse.h). Takes time and memory linear in the header.
  static Result<std::unique_ptr<File>> open(const std::string& path);

  // The same over memory that the caller owns and keeps alive as long as the File. `name` stands in messages. Tensor
  // data is aligned as far as `bytes` is.
  static Result<std::unique_ptr<File>> from_memory(std::span<const std::byte> bytes, std::string name);

  const std::string& path() const { return path_; }  // or the name given to from_memory()
  uint32_t version() const { return contents_.version; }
  uint32_t alignment() const { return contents_.alignment; }
  uint64_t data_offset() const { return contents_.data_offset; }
  uint64_t size_bytes() const { return bytes_.size(); }
  bool is_mapped() const { return map_ != nullptr; }  // else the bytes are the caller's

  // In the file's order. Keys are unique, and so are tensor names.
  std::span<const KeyValue> metadata() const { return contents_.metadata; }
  std::span<const TensorInfo> tensors() const { return contents_.tensors; }

  // nullptr if there is none of that name. Logarithmic.
  const Value* find(std::string_view key) const;
  const TensorInfo* find_tensor(std::string_view name) const;

  // Typed access. A key that is missing, or whose value is not what is asked for, is an error (kCorrupt) that names the
  // file, the key, what was seen and what was wanted. An integer may have any integer type that holds it; a float may
  // be NaN or infinite: what a value may be is for the caller to say. Strings are views that live as long as the File.
  Result<uint32_t> get_u32(std::string_view key) const;
  Result<uint64_t> get_u64(std::string_view key) const;
  Result<int32_t> get_i32(std::string_view key) const;
  Result<float> get_f32(std::string_view key) const;  // a float64 is rounded
  Result<bool> get_bool(std::string_view key) const;
  Result<std::string_view> get_string(std::string_view key) const;
  Result<std::vector<std::string_view>> get_string_array(std::string_view key) const;
  Result<std::vector<int32_t>> get_i32_array(std::string_view key) const;
  Result<std::vector<float>> get_f32_array(std::string_view key) const;

  // The same for a key that may be missing; a value of another type is still an error.
  Result<uint32_t> get_u32_or(std::string_view key, uint32_t fallback) const;
  Result<float> get_f32_or(std::string_view key, float fallback) const;
  Result<bool> get_bool_or(std::string_view key, bool fallback) const;
  Result<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;

  // An error (kIo) if the file shrank or was written to since open(): what was read from tensors since then may be
  // wrong. To be asked after every step that read them, and after a load. Metadata is a copy and stays right.
  Status check_intact() const;

 private:
  File() = default;
  Status read(std::span<const std::byte> bytes);

  std::string path_;
  std::unique_ptr<MappedFile> map_;  // null for memory
  std::span<const std::byte> bytes_;
  Contents contents_;
};

}  // namespace tercet::gguf
