// attn_in on the host's side; the stage is attn_in.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

using backend::Tap;

void Stages::attn_in(const model::LayerSpec& layer, const model::Shape& shape) {
  const LayerWeights& w = weights_of(layer);
  const Norms::Layer& norms = weights_.norms.layers[static_cast<size_t>(layer.index)];
  const model::Config& c = config_;
  Product product = {.name = "qkv",
                     .layer = layer.index,
                     .matrices = {&w.wq, &w.wk, &w.wv},
                     .x = &b.h,
                     .y = &b.qkv,
                     .n_row = shape.n_row,
                     .y_stride = qkv_width()};
  if (is_planar_) {
    product.x = &b.x;
    product.norm = norms.attn_planar;
    product.h = &b.h;
  } else {
    normalise({"attn_norm", layer.index, 0}, norms.attn, b.x, b.h, shape.n_row, false, false);
  }
  products(product);
  tap_placed(Tap::kAttnNorm, layer.index, b.h, shape.n_row, c.d_model);
  if (is_lone_) return;  // the rest is done at the head of attn.wgsl

  const SiteId id = {"attn_in", layer.index, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const auto norm_bytes = static_cast<uint64_t>(4 * c.d_head);
    const Range ranges[] = {{b.qkv.get(), 0, 0},
                            {weights_.norms.buffer.get(), norms.q, norm_bytes},
                            {weights_.norms.buffer.get(), norms.k, norm_bytes},
                            {b.heads.get(), 0, 0},
                            {kv.keys[static_cast<size_t>(layer.index)].get(), 0, 0},
                            {kv.values[static_cast<size_t>(layer.index)].get(), 0, 0}};
    at = site(id, "rrrwww", ranges);
  }
  launch(
      at, 0,
      [&] {
        return Recipe{"attn_in", constant("N_HEAD", c.n_head) + constant("N_HEAD_KV", c.n_head_kv) +
                                     constant("D_HEAD", c.d_head) + constant("EPS", c.rms_eps) +
                                     constant("KV_IS_F16", kv.type == backend::KvType::kF16)};
      },
      c.n_head + 2 * int64_t{c.n_head_kv}, shape.n_row);
  tap_heads(layer.index, shape.n_row);
}

void Stages::tap_heads(int layer, int n_row) {
  const model::Config& c = config_;
  tap(Tap::kQcur, layer, b.heads, n_row, c.d_q(), qkv_width());
  tap(Tap::kKcur, layer, b.heads, n_row, c.d_kv(), qkv_width(), c.d_q());
  tap(Tap::kVcur, layer, b.heads, n_row, c.d_kv(), qkv_width(), c.d_q() + c.d_kv());
}

}  // namespace tercet::wgpu
