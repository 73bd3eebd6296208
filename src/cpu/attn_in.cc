// attn_in   contract: docs/stages.md#attn_in   mirrors: ref/attn_in.cc, cuda/attn_in.cu, wgpu/attn_in.wgsl
//   h = rms_norm(x); q = rope(rms_norm(Wq h)); k = rope(rms_norm(Wk h)); v = Wv h; k, v to the KV cache at position
//   x: [n_row, d_model] f32   q: [n_row, n_head, d_head] f32   k, v: [n_row, n_head_kv, d_head] f32
//   launch: 32 to 512 weight rows a piece; then a row a piece     sum: kernels.h's fixed order
//   cost: reads Wq, Wk, Wv once a step; bandwidth-bound for few rows
#include "cpu/context.h"

namespace tercet::cpu {

using backend::Tap;

void Stages::attn_in(const model::LayerSpec& layer, const model::Shape& shape) {
  const int64_t n_row = shape.n_row;
  h_.resize(n_row, config_.d_model);
  normalise(h_, layer.attn_norm);
  tap(Tap::kAttnNorm, layer.index, h_.values, config_.d_model);

  q_.resize(static_cast<size_t>(n_row * config_.d_q()));
  k_.resize(static_cast<size_t>(n_row * config_.d_kv()));
  v_.resize(static_cast<size_t>(n_row * config_.d_kv()));
  const Projection jobs[] = {
      {layer.wq, &h_, {}, q_.data()}, {layer.wk, &h_, {}, k_.data()}, {layer.wv, &h_, {}, v_.data()}};
  project(jobs);

  pool_.parallel_for(n_row, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      norm_and_rotate(layer, static_cast<int>(r));
      append_kv(layer.index, static_cast<int>(r));
    }
  });
  tap(Tap::kQcur, layer.index, q_, config_.d_q());
  tap(Tap::kKcur, layer.index, k_, config_.d_kv());
  tap(Tap::kVcur, layer.index, v_, config_.d_kv());
}

void Stages::norm_and_rotate(const model::LayerSpec& layer, int row) {
  const int64_t d = config_.d_head;
  const float* cosine = cosine_.data() + row * (d / 2);
  const float* sine = sine_.data() + row * (d / 2);
  const auto turn = [&](float* head, const std::vector<float>& norm) {
    kernels_.rms_norm(head, head, norm.data(), d, config_.rms_eps);
    kernels_.rope(head, cosine, sine, d);
  };
  for (int i = 0; i < config_.n_head; ++i) turn(q_.data() + (int64_t{row} * config_.n_head + i) * d, layer.attn_q_norm);
  for (int i = 0; i < config_.n_head_kv; ++i)
    turn(k_.data() + (int64_t{row} * config_.n_head_kv + i) * d, layer.attn_k_norm);
}

void Stages::append_kv(int layer, int row_index) {
  const int64_t d = config_.d_head;
  const backend::KvLayout& layout = kv_.layout();
  const backend::Row& row = step_->rows()[static_cast<size_t>(row_index)];
  const auto pages = step_->sequences()[static_cast<size_t>(row.sequence)].pages;
  const backend::PageId page = pages[static_cast<size_t>(row.position / layout.page_size)];
  const int64_t at = (row.position % layout.page_size) * d * kv_element_bytes(layout.type);
  for (int head = 0; head < config_.n_head_kv; ++head) {
    const int64_t from = (int64_t{row_index} * config_.n_head_kv + head) * d;
    kernels_.store_kv(kv_.keys(layer, page, head) + at, layout.type, k_.data() + from, d);
    kernels_.store_kv(kv_.values(layer, page, head) + at, layout.type, v_.data() + from, d);
  }
}

}  // namespace tercet::cpu
