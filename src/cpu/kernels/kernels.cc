#include "cpu/kernels/kernels.h"

#include <array>
#include <new>

#include "base/sanitized.h"
#include "cpu/kernels/layout.h"
#include "cpu/kernels/watched.h"

namespace tercet::cpu {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Tables {
  std::array<const Kernels*, 3> table{};
  size_t n = 0;
};

Tables find_tables() {
  Tables tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512) tables.table[tables.n++] = &kAvx512Kernels;
  if (avx2) tables.table[tables.n++] = &kAvx2Kernels;
#endif
  tables.table[tables.n++] = &kGenericKernels;
  return tables;
}

}  // namespace

ActKind act_kind(quant::Type weights, backend::Precision precision) {
  const bool integer = weights == quant::Type::kQ4_K || weights == quant::Type::kQ6_K || weights == quant::Type::kQ8_0;
  if (!integer || precision == backend::Precision::kExact) return ActKind::kF32;
  return precision == backend::Precision::kHigh ? ActKind::kI16 : ActKind::kI8;
}

int64_t prepared_bytes(ActKind kind, int64_t n_col) {
  const int64_t n_group = (n_col + kGroupCols - 1) / kGroupCols;
  switch (kind) {
    case ActKind::kI16: return n_group * static_cast<int64_t>(sizeof(BlockI16));
    case ActKind::kI8: return n_group * static_cast<int64_t>(sizeof(BlockI8));
    case ActKind::kF32: break;
  }
  return n_col * static_cast<int64_t>(sizeof(float));
}

void Activations::resize(ActKind kind, int64_t n_row, int64_t n_col) {
  kind_ = kind;
  n_row_ = n_row;
  n_col_ = n_col;
  row_bytes_ = (prepared_bytes(kind, n_col) + 63) / 64 * 64;
  if (n_row * row_bytes_ <= capacity_) return;
  data_.reset();
  capacity_ = n_row * row_bytes_;
  data_.reset(static_cast<std::byte*>(::operator new(static_cast<size_t>(capacity_), kAlignment)));
}

void Activations::Free::operator()(std::byte* p) const { ::operator delete(p, kAlignment); }

float* thread_scratch(int64_t n) {
  thread_local Activations scratch;
  scratch.resize(ActKind::kF32, 1, n);
  return reinterpret_cast<float*>(scratch.row(0));
}

std::span<const Kernels* const> usable_kernels() {
  static const Tables tables = find_tables();
  return std::span(tables.table).first(tables.n);
}

const Kernels& best_kernels() {
  const Kernels& best = *usable_kernels().front();
  if constexpr (kSanitized) return watched_kernels(best);
  return best;
}

}  // namespace tercet::cpu
