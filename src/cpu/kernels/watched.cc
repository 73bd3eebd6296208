#include "cpu/kernels/watched.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>

#include "base/check.h"
#include "base/sanitized.h"
#include "cpu/kernels/layout.h"

// What instrumented code calls for an access of many bytes; no header of the sanitizer's declares them.
extern "C" {
void __tsan_read_range(void* address, unsigned long n_byte);   // NOLINT
void __tsan_write_range(void* address, unsigned long n_byte);  // NOLINT
}

namespace tercet::cpu {
namespace {

const Kernels* plain = nullptr;

enum class Access { kRead, kWrite };

template <typename T>
void access(Access how, const T* from, int64_t n) {
  if (n <= 0) return;
  auto* const address = const_cast<void*>(static_cast<const void*>(from));
  const size_t n_byte = static_cast<size_t>(n) * sizeof(T);
  if constexpr (kAddressSanitizer) {
    // This function is instrumented, so that touching the byte makes the report.
    auto* const poisoned = static_cast<volatile char*>(__asan_region_is_poisoned(address, n_byte));
    if (poisoned != nullptr && how == Access::kRead) static_cast<void>(*poisoned);
    if (poisoned != nullptr && how == Access::kWrite) *poisoned = 0;
  }
  if constexpr (kThreadSanitizer) {
    if (how == Access::kRead) __tsan_read_range(address, n_byte);
    if (how == Access::kWrite) __tsan_write_range(address, n_byte);
  }
}
template <typename T>
void reads(const T* from, int64_t n) {
  access(Access::kRead, from, n);
}
template <typename T>
void writes(T* to, int64_t n) {
  access(Access::kWrite, to, n);
}

void prepare(ActKind kind, std::byte* out, const float* x, int64_t n_col) {
  reads(x, n_col);
  writes(out, prepared_bytes(kind, n_col));
  plain->prepare(kind, out, x, n_col);
}

void matmul(const Matmul& job) {
  const int64_t n_col = job.x->n_col();
  const int64_t row_bytes = n_col / job.format->block_size * job.format->block_bytes;
  // Whoever wrote the weights had ended before there were threads, and to tell of every read would take as long as the product.
  if constexpr (kAddressSanitizer)
    for (int64_t o = job.begin; o < job.end; ++o) reads(job.weights + o * job.weight_row_bytes, row_bytes);
  if (job.rows != nullptr) reads(job.rows, job.n_row);
  for (int r = 0; r < job.n_row; ++r) {
    const int64_t row = job.rows != nullptr ? job.rows[r] : r;
    CHECK(row >= 0 && row < job.x->n_row());
    reads(job.x->row(row), prepared_bytes(job.x->kind(), n_col));
    writes(job.y + r * job.y_stride + job.begin, job.end - job.begin);
  }
  plain->matmul(job);
}

void rms_norm(float* y, const float* x, const float* w, int64_t n, float eps) {
  reads(x, n);
  reads(w, n);
  writes(y, n);
  plain->rms_norm(y, x, w, n, eps);
}

void rope(float* x, const float* cosine, const float* sine, int64_t d) {
  reads(cosine, d / 2);
  reads(sine, d / 2);
  writes(x, d);
  plain->rope(x, cosine, sine, d);
}

void swiglu(float* y, const float* gate, const float* up, int64_t n) {
  reads(gate, n);
  reads(up, n);
  writes(y, n);
  plain->swiglu(y, gate, up, n);
}

void softmax(float* x, int64_t n) {
  writes(x, n);
  plain->softmax(x, n);
}

void axpy(float* y, float a, const float* x, int64_t n) {
  reads(x, n);
  writes(y, n);
  plain->axpy(y, a, x, n);
}

void store_kv(std::byte* out, backend::KvType type, const float* x, int64_t n) {
  reads(x, n);
  writes(out, n * backend::kv_element_bytes(type));
  plain->store_kv(out, type, x, n);
}

void attend(const KvView& kv, const float* q, int n_query, int begin, int end, float scale, float* out, float* max,
            float* sum) {
  const int64_t row_bytes = int64_t{kv.d_head} * backend::kv_element_bytes(kv.type);
  for (int from = begin; from < end;) {
    const int page = from / kv.page_size;
    const int to = std::min(end, (page + 1) * kv.page_size);
    const int64_t offset = from % kv.page_size * row_bytes;
    for (const auto* pages : {kv.keys, kv.values}) {
      reads(pages + page, 1);
      reads(pages[page] + offset, (to - from) * row_bytes);
    }
    from = to;
  }
  reads(q, int64_t{n_query} * kv.d_head);
  writes(out, int64_t{n_query} * kv.d_head);
  writes(max, n_query);
  writes(sum, n_query);
  plain->attend(kv, q, n_query, begin, end, scale, out, max, sum);
}

}  // namespace

const Kernels& watched_kernels(const Kernels& of) {
  static const Kernels table = [&] {
    plain = &of;
    return Kernels{of.name, prepare, matmul, rms_norm, rope, swiglu, softmax, axpy, store_kv, attend, of.dot_products};
  }();
  CHECK(plain == &of);
  return table;
}

}  // namespace tercet::cpu
