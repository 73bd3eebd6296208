// attn   contract: docs/stages.md#attn   mirrors: cpu/attn.cc, cuda/attn.cu, wgpu/attn.wgsl
//   s_p = q.k_p / sqrt(d_head), p <= position; a = sum_p softmax(s)_p v_p; head i reads KV head i n_head_kv / n_head
//   q, a: [n_row, n_head, d_head] f32   k, v: the page table's pages of [n_head_kv, page_size, d_head] f32 or f16
//   sum: double, position order, after the largest score is taken off
#include <algorithm>
#include <cmath>

#include "ref/context.h"

namespace tercet::ref {

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  a_.resize(q_.size());
  pool_.parallel_for(shape.n_row, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) attend_row(layer.index, static_cast<int>(r));
  });
  tap(backend::Tap::kKqvOut, layer.index, a_, config_.d_q());
}

// Positions at once: each has its own sum, in index order, which waits for itself.
constexpr int kAtOnce = 4;

void Stages::attend_row(int layer, int row_index) {
  const int64_t d = config_.d_head;
  const int page_size = kv_.layout().page_size;
  const int group = config_.n_head / config_.n_head_kv;
  const backend::Row& row = step_->rows()[static_cast<size_t>(row_index)];
  const auto pages = step_->sequences()[static_cast<size_t>(row.sequence)].pages;
  const int n = row.position + 1;
  std::vector<double> p(static_cast<size_t>(n));
  std::vector<double> sum(static_cast<size_t>(d));
  const auto cached = [&](std::byte* base, int position) {
    return reinterpret_cast<const float*>(base) + (position % page_size) * d;
  };

  for (int head = 0; head < config_.n_head; ++head) {
    const float* q = &q_[static_cast<size_t>((int64_t{row_index} * config_.n_head + head) * d)];
    for (int first = 0; first < n; first += kAtOnce) {
      const float* k[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        const int at = std::min(first + i, n - 1);
        k[i] = cached(kv_.keys(layer, pages[static_cast<size_t>(at / page_size)], head / group), at);
      }
      double score[kAtOnce] = {};
      for (int64_t j = 0; j < d; ++j)
        for (int i = 0; i < kAtOnce; ++i) score[i] += double{q[j]} * double{k[i][j]};
      for (int i = 0; i < std::min(kAtOnce, n - first); ++i)
        p[static_cast<size_t>(first + i)] = score[i] / std::sqrt(static_cast<double>(d));
    }
    const double largest = *std::max_element(p.begin(), p.end());
    double total = 0.0;
    for (double& value : p) total += value = std::exp(value - largest);
    std::fill(sum.begin(), sum.end(), 0.0);
    for (int i = 0; i < n; ++i) {
      const float* v = cached(kv_.values(layer, pages[static_cast<size_t>(i / page_size)], head / group), i);
      for (int64_t j = 0; j < d; ++j) sum[static_cast<size_t>(j)] += p[static_cast<size_t>(i)] / total * double{v[j]};
    }
    float* out = &a_[static_cast<size_t>((int64_t{row_index} * config_.n_head + head) * d)];
    for (int64_t j = 0; j < d; ++j) out[j] = static_cast<float>(sum[static_cast<size_t>(j)]);
  }
}

}  // namespace tercet::ref
