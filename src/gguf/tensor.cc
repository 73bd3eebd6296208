#include "gguf/tensor.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/checked.h"

namespace tercet::gguf {
namespace {

// Sorted by id. The sizes are those of ggml's block structs.
constexpr TensorType kTensorTypes[] = {
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {4, "Q4_2", 0, 0},        {5, "Q4_3", 0, 0},        {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},   {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},  {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},         {25, "I16", 1, 2},        {26, "I32", 1, 4},        {27, "I64", 1, 8},
    {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {31, "Q4_0_4_4", 0, 0},
    {32, "Q4_0_4_8", 0, 0},   {33, "Q4_0_8_8", 0, 0},   {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},
    {36, "IQ4_NL_4_4", 0, 0}, {37, "IQ4_NL_4_8", 0, 0}, {38, "IQ4_NL_8_8", 0, 0}, {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
};

constexpr bool ids_are_indices() {
  for (uint32_t i = 0; i < std::size(kTensorTypes); ++i)
    if (kTensorTypes[i].id != i) return false;
  return true;
}
static_assert(ids_are_indices());

Result<uint64_t> count_elements(std::span<const uint64_t> dims) {
  if (dims.empty() || dims.size() > kMaxDims)
    return error(Code::kCorrupt, "{} dimensions, want 1 to {}", dims.size(), kMaxDims);
  // Signed, so that element indices and sizes may be int64_t everywhere after this.
  int64_t product = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) return error(Code::kCorrupt, "dimension {} is 0, want at least 1", i);
    const auto next =
        std::in_range<int64_t>(dims[i]) ? checked_mul(product, static_cast<int64_t>(dims[i])) : std::nullopt;
    if (!next) return error(Code::kCorrupt, "dimensions {} make over 2^63 - 1 elements", fmt::join(dims, " x "));
    product = *next;
  }
  return static_cast<uint64_t>(product);
}

}  // namespace

Dims::Dims(std::span<const uint64_t> sizes) : n_dim_(static_cast<uint32_t>(sizes.size())) {
  CHECK(sizes.size() <= kMaxDims);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

const TensorType* find_tensor_type(uint32_t id) { return id < std::size(kTensorTypes) ? &kTensorTypes[id] : nullptr; }

std::span<const TensorType> tensor_types() { return kTensorTypes; }

std::string tensor_type_name(uint32_t id) {
  const TensorType* const type = find_tensor_type(id);
  return type != nullptr ? std::string(type->name) : fmt::format("type {}", id);
}

Result<TensorSize> measure_tensor(uint32_t type, std::span<const uint64_t> dims) {
  const TensorType* const row = find_tensor_type(type);
  if (row == nullptr)
    return error(Code::kUnsupported, "type {} is unknown, want 0 to {}", type, std::size(kTensorTypes) - 1);
  if (row->block_size == 0)
    return error(Code::kUnsupported, "type {} ({}) was removed from ggml, want a type in use", type, row->name);
  ASSIGN_OR_RETURN(const uint64_t n_element, count_elements(dims));
  if (dims[0] % row->block_size != 0)
    return error(Code::kCorrupt, "rows of {} elements, want a multiple of {}'s block of {}", dims[0], row->name,
                 row->block_size);
  const auto n_byte = checked_mul<int64_t>(static_cast<int64_t>(n_element / row->block_size), row->block_bytes);
  if (!n_byte) return error(Code::kCorrupt, "{} elements of {} make over 2^63 - 1 bytes", n_element, row->name);
  return TensorSize{n_element, static_cast<uint64_t>(*n_byte)};
}

}  // namespace tercet::gguf
