// attn_in   contract: docs/stages.md#attn_in   mirrors: cpu/attn_in.cc, cuda/attn_in.cu, wgpu/attn_in.wgsl
//   h = rms_norm(x); q = rope(rms_norm(Wq h)); k = rope(rms_norm(Wk h)); v = Wv h; k, v to the KV cache at position
//   x: [n_row, d_model] f32   q: [n_row, n_head, d_head] f32   k, v: [n_row, n_head_kv, d_head] f32
//   sum: double, index order
#include <cstring>

#include "ref/context.h"

namespace tercet::ref {

using backend::Tap;

void Stages::attn_in(const model::LayerSpec& layer, const model::Shape& shape) {
  const int64_t n_row = shape.n_row;
  const int64_t d = config_.d_head;
  h_.resize(x_.size());
  rms_norm(h_, x_, layer.attn_norm, n_row, config_.rms_eps);
  tap(Tap::kAttnNorm, layer.index, h_, config_.d_model);

  q_.resize(static_cast<size_t>(n_row * config_.d_q()));
  k_.resize(static_cast<size_t>(n_row * config_.d_kv()));
  v_.resize(static_cast<size_t>(n_row * config_.d_kv()));
  matmul(pool_, q_, layer.wq, h_, n_row);
  matmul(pool_, k_, layer.wk, h_, n_row);
  matmul(pool_, v_, layer.wv, h_, n_row);

  rms_norm(q_, q_, layer.attn_q_norm, n_row * config_.n_head, config_.rms_eps);
  rms_norm(k_, k_, layer.attn_k_norm, n_row * config_.n_head_kv, config_.rms_eps);
  for (int64_t r = 0; r < n_row; ++r) {
    const int position = step_->rows()[static_cast<size_t>(r)].position;
    rope(std::span(q_).subspan(static_cast<size_t>(r * config_.d_q()), static_cast<size_t>(config_.d_q())), d, position,
         config_.rope_base);
    rope(std::span(k_).subspan(static_cast<size_t>(r * config_.d_kv()), static_cast<size_t>(config_.d_kv())), d,
         position, config_.rope_base);
  }
  tap(Tap::kQcur, layer.index, q_, config_.d_q());
  tap(Tap::kKcur, layer.index, k_, config_.d_kv());
  tap(Tap::kVcur, layer.index, v_, config_.d_kv());
  append_kv(layer.index);
}

void Stages::append_kv(int layer) {
  const int64_t d = config_.d_head;
  const int page_size = kv_.layout().page_size;
  const size_t bytes = static_cast<size_t>(d) * sizeof(float);
  for (size_t r = 0; r < step_->rows().size(); ++r) {
    const backend::Row& row = step_->rows()[r];
    const auto pages = step_->sequences()[static_cast<size_t>(row.sequence)].pages;
    const backend::PageId page = pages[static_cast<size_t>(row.position / page_size)];
    const int64_t at = (row.position % page_size) * d * int64_t{sizeof(float)};
    for (int head = 0; head < config_.n_head_kv; ++head) {
      const size_t from = r * static_cast<size_t>(config_.d_kv()) + static_cast<size_t>(head * d);
      std::memcpy(kv_.keys(layer, page, head) + at, &k_[from], bytes);
      std::memcpy(kv_.values(layer, page, head) + at, &v_[from], bytes);
    }
  }
}

}  // namespace tercet::ref
