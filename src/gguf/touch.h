// Owns a walk over everything that a File hands out, for the fuzz target and the tests with damaged files: after open()
// succeeded, none of it may crash, and a sanitizer sees every byte that is read.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "base/check.h"
#include "gguf/gguf.h"

namespace tercet::gguf {

inline uint64_t touch(const Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value.data)) {
    uint64_t sum = text->size();
    for (const char c : *text) sum = sum * 31 + static_cast<unsigned char>(c);
    return sum;
  }
  if (const auto* array = std::get_if<Array>(&value.data)) {
    uint64_t sum = array->size();
    for (size_t i = 0; i < array->size(); ++i) sum = sum * 31 + touch(array->at(i));
    return sum;
  }
  return value.as_integer<uint64_t>().value_or(1);
}

// Reads all metadata in every way, and the first and last byte of every tensor; a number, so that nothing is optimized
// out.
inline uint64_t touch(const File& file) {
  uint64_t sum = file.version() + file.alignment() + file.data_offset() + file.size_bytes();
  for (const auto& [key, value] : file.metadata()) {
    CHECK(file.find(key) == &value);
    sum = sum * 31 + touch(value) + value.describe().size();
    sum += file.get_u32_or(key, 0).value_or(1) + file.get_u64(key).value_or(1) + file.get_i32(key).has_value();
    sum += file.get_f32_or(key, 0).has_value() + file.get_bool_or(key, false).value_or(true);
    sum += file.get_string_or(key, "").value_or("").size() + file.get_string_array(key).has_value();
    sum += file.get_i32_array(key).has_value() + file.get_f32_array(key).has_value();
  }
  for (const auto& info : file.tensors()) {
    CHECK(file.find_tensor(info.name) == &info);
    CHECK(info.offset >= file.data_offset() && info.offset % file.alignment() == 0);
    CHECK(info.n_byte > 0 && info.data.size() == info.n_byte);
    sum = sum * 31 + info.name.size() + info.n_element + tensor_type_name(info.type).size();
    sum += std::to_integer<uint64_t>(info.data.front()) + std::to_integer<uint64_t>(info.data.back());
  }
  return sum;
}

}  // namespace tercet::gguf
