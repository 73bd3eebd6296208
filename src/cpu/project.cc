#include <algorithm>

#include "base/check.h"
#include "cpu/context.h"

namespace tercet::cpu {
namespace {

// Weight rows a piece of work: enough that taking a piece costs nothing beside it, few enough that threads end
// together.
constexpr int64_t kRowsAPiece = 32;

int64_t n_piece(const Projection& job) { return (job.w.rows + kRowsAPiece - 1) / kRowsAPiece; }

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
  std::vector<Matmul> work;
  std::vector<int64_t> first_piece = {0};
  for (const Projection& job : jobs) {
    CHECK(job.w.cols == job.x->n_col());
    const Activations& x = job.x->as(act_kind(job.w.format->type, precision_), kernels_, pool_);
    const int n_row = static_cast<int>(job.rows.empty() ? job.x->n_row() : std::ssize(job.rows));
    work.push_back({job.w.format, job.w.data, job.w.row_bytes(), 0, job.w.rows, &x,
                    job.rows.empty() ? nullptr : job.rows.data(), n_row, job.y, job.w.rows});
    first_piece.push_back(first_piece.back() + n_piece(job));
  }
  pool_.parallel_for(first_piece.back(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const auto after = std::upper_bound(first_piece.begin(), first_piece.end(), piece);
      const auto index = static_cast<size_t>(after - first_piece.begin() - 1);
      Matmul part = work[index];
      part.begin = (piece - first_piece[index]) * kRowsAPiece;
      part.end = std::min(part.begin + kRowsAPiece, part.end);
      kernels_.matmul(part);
    }
  });
}

}  // namespace tercet::cpu
