// attn_out   contract: docs/stages.md#attn_out   mirrors: ref/attn_out.cc, cpu/attn_out.cc, wgpu/attn_out.wgsl
//   x = x + Wo a
//   a: [n_row, n_head * d_head] f32   Wo: [d_model, n_head * d_head] quantized   x: [n_row, d_model] f32
//   launch: products.cu   sum: f32, a fixed order; the residual is added in f32
//   cost: reads Wo once; bandwidth-bound for few rows
#include "cuda/products.h"

namespace tercet::cuda {

void Stages::attn_out(const model::LayerSpec& layer, const model::Shape& shape) {
  const Product product = {&weights_of(layer).wo, b.x, config_.d_model, true};
  products("attn_out", {b.a, config_.d_q(), nullptr, shape.n_row, nullptr, nullptr}, &product, 1);
  tap(backend::Tap::kFfnInp, layer.index, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::cuda
