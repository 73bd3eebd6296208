// Owns what the tests make files with: paths for them, and a builder of GGUF bytes that checks nothing, so that it can
// build what the Writer refuses to.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/value.h"

namespace tercet::gguf {

// A path of this process alone: several builds may be tested at once.
inline std::string temp_path(std::string_view name) {
  return testing::TempDir() + "tercet_" + std::to_string(::getpid()) + "_" + std::string(name);
}

class RawFile {
 public:
  // The preamble; the counts are taken at their word.
  RawFile(uint64_t n_tensor, uint64_t n_key, uint32_t version = 3) {
    bytes("GGUF").number(version).number(n_tensor).number(n_key);
  }
  RawFile() = default;  // nothing at all

  RawFile& bytes(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  template <typename T>
  RawFile& number(T value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  RawFile& string(std::string_view text) { return number(uint64_t{text.size()}).bytes(text); }
  RawFile& key(std::string_view name, ValueType type) { return string(name).number(type); }
  RawFile& array(std::string_view name, ValueType element_type, uint64_t count) {
    return key(name, ValueType::kArray).number(element_type).number(count);
  }
  RawFile& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    string(name).number(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) number(dim);
    return number(type).number(offset);
  }
  RawFile& pad_to(size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  RawFile& zeros(size_t n_byte) {
    bytes_.resize(bytes_.size() + n_byte);
    return *this;
  }

  const std::vector<std::byte>& data() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace tercet::gguf
