// Owns the arithmetic of the CPU backend: one table of functions per instruction set, chosen when the program starts.
// Every table gives the same bits: integer sums are exact, and float sums go in one fixed order (a multiply-add is
// fused in all tables). What one row gives depends neither on how many rows are asked for nor on [begin, end). NaNs are
// NaNs in all tables, whatever their payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "backend/backend.h"
#include "quant/format.h"

namespace tercet::cpu {

// What a row of activations becomes before it meets a row of weights.
enum class ActKind : uint8_t {
  kF32,  // as it is                                                                    --precision exact
  kI16,  // 256 elements share a scale; each is 256 * hi + lo with two int8 planes       --precision high
  kI8,   // 32 elements share a scale; each is one int8                                  --precision fast
};

// The kind that a weight format and a precision ask for; a format without an integer kernel takes kF32.
ActKind act_kind(quant::Type weights, backend::Precision precision);

// Rows of prepared activations; the layout is the kernels' own business (layout.h).
class Activations {
 public:
  // Room for n_row rows of n_col elements, what they held forgotten; keeps what memory it has.
  void resize(ActKind kind, int64_t n_row, int64_t n_col);
  ActKind kind() const { return kind_; }
  int64_t n_row() const { return n_row_; }
  int64_t n_col() const { return n_col_; }
  int64_t row_bytes() const { return row_bytes_; }  // a multiple of 64
  std::byte* row(int64_t r) { return data_.get() + r * row_bytes_; }
  const std::byte* row(int64_t r) const { return data_.get() + r * row_bytes_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  ActKind kind_ = ActKind::kF32;
  int64_t n_row_ = 0;
  int64_t n_col_ = 0;
  int64_t row_bytes_ = 0;
  int64_t capacity_ = 0;
  std::unique_ptr<std::byte[], Free> data_;  // aligned to 64 bytes
};

// y[r * y_stride + o] = dot(weight row o, activation row rows[r]) for o in [begin, end), r in [0, n_row).
// x->n_col() is a multiple of the format's block size. Pieces of 16 weight rows are the fastest; weights need no
// alignment. x was prepared as act_kind() says for the format. A scale or an activation that is not finite gives an
// output that is not.
struct Matmul {
  const quant::Format* format;
  const std::byte* weights;  // row 0
  int64_t weight_row_bytes;
  int64_t begin, end;  // weight rows
  const Activations* x;
  const int32_t* rows;  // [n_row] rows of x, or null: 0, 1, ...
  int n_row;
  float* y;
  int64_t y_stride;
};

// One head's view of the KV cache: pages of [page_size, d_head] elements, whole in memory. page_size: a multiple of 16.
struct KvView {
  backend::KvType type;
  int page_size;
  int d_head;
  const std::byte* const* keys;    // [n_page]
  const std::byte* const* values;  // [n_page]
};

struct Kernels {
  std::string_view name;  // "avx512-vnni", "avx2", "generic"

  // Prepares one row: out is Activations::row. Rounds to nearest; a step is the largest magnitude over 32,639 (kI16) or
  // 127 (kI8), and a group of columns with an element that is not finite becomes NaN.
  void (*prepare)(ActKind kind, std::byte* out, const float* x, int64_t n_col);
  void (*matmul)(const Matmul& job);

  // y[i] = x[i] * w[i] / sqrt(mean(x^2) + eps)
  void (*rms_norm)(float* y, const float* x, const float* w, int64_t n, float eps);
  // NEOX pairs (i, i + d/2): rotates x in place by the angles whose cosines and sines are given, [d/2] each.
  void (*rope)(float* x, const float* cosine, const float* sine, int64_t d);
  // y[i] = silu(gate[i]) * up[i]
  void (*swiglu)(float* y, const float* gate, const float* up, int64_t n);
  // p = softmax(x), in place; NaN throughout where an element is NaN or +inf, or all are -inf.
  void (*softmax)(float* x, int64_t n);
  // y[i] += a * x[i]
  void (*axpy)(float* y, float a, const float* x, int64_t n);
  // Stores f32 as KV elements.
  void (*store_kv)(std::byte* out, backend::KvType type, const float* x, int64_t n);

  // Attention of n_query heads (those of one group, one position) over the cache's positions [begin, end):
  // out[q] = sum_p exp(s_qp - max_q) v_p, with s = scale * q k; max and sum of exp are given beside it, so that
  // segments of a long context can be merged. An empty segment gives 0, -inf and 0. The bits depend on begin and end,
  // not on n_query. q: [n_query, d_head]; out: [n_query, d_head]; max, sum: [n_query].
  void (*attend)(const KvView& kv, const float* q, int n_query, int begin, int end, float scale, float* out, float* max,
                 float* sum);

  // What products of kI16 activations are made of, without their memory (arithmetic.inc). Gives how many of a product's operations
  // it has done, a multiplication and an addition being two; `sum` depends on all of them.
  double (*dot_products)(int64_t n_round, double* sum);
};

// The best table that this CPU can run; under a sanitizer a watched one (watched.h).
const Kernels& best_kernels();
// All tables that this CPU can run, best first, never watched: for tests.
std::span<const Kernels* const> usable_kernels();

}  // namespace tercet::cpu
