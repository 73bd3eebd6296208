#include <algorithm>

#include "base/check.h"
#include "cpu/context.h"

namespace tercet::cpu {
namespace {

// Weight rows a piece of work: a kernel fetches ahead within its piece, so that long pieces read memory faster (32 rows
// reach half the bandwidth of 512), and eight pieces a thread let the threads end together.
int64_t rows_a_piece(int64_t n_row, int n_thread) {
  constexpr int64_t kLeast = 32;
  constexpr int64_t kMost = 512;
  constexpr int64_t kStep = 16;  // what the kernels take at a time
  const int64_t share = n_row / (int64_t{8} * n_thread);
  return std::clamp(share / kStep * kStep, kLeast, kMost);
}

}  // namespace

const Activations& Input::as(ActKind kind, const Kernels& kernels, ThreadPool& pool) {
  const auto index = static_cast<size_t>(kind);
  Activations& out = prepared_[index];
  if (ready_[index]) return out;
  out.resize(kind, n_row_, n_col_);
  pool.parallel_for(n_row_, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) kernels.prepare(kind, out.row(r), row(r), n_col_);
  });
  ready_[index] = true;
  return out;
}

// One parallel region for all of them: a barrier costs as much as a small product.
void Stages::project(std::span<const Projection> jobs) {
  int64_t n_weight_row = 0;
  for (const Projection& job : jobs) n_weight_row += job.w.rows;
  const int64_t piece_rows = rows_a_piece(n_weight_row, pool_.n_thread());
  std::vector<Matmul> work;
  std::vector<int64_t> first_piece = {0};
  for (const Projection& job : jobs) {
    CHECK(job.w.cols == job.x->n_col());
    const Activations& x = job.x->as(act_kind(job.w.format->type, precision_), kernels_, pool_);
    const int n_row = static_cast<int>(job.rows.empty() ? job.x->n_row() : std::ssize(job.rows));
    work.push_back({job.w.format, job.w.data, job.w.row_bytes(), 0, job.w.rows, &x,
                    job.rows.empty() ? nullptr : job.rows.data(), n_row, job.y, job.w.rows});
    first_piece.push_back(first_piece.back() + (job.w.rows + piece_rows - 1) / piece_rows);
  }
  pool_.parallel_for(first_piece.back(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const auto after = std::upper_bound(first_piece.begin(), first_piece.end(), piece);
      const auto index = static_cast<size_t>(after - first_piece.begin() - 1);
      Matmul part = work[index];
      part.begin = (piece - first_piece[index]) * piece_rows;
      part.end = std::min(part.begin + piece_rows, part.end);
      kernels_.matmul(part);
    }
  });
}

}  // namespace tercet::cpu
