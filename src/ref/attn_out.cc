// attn_out   contract: docs/stages.md#attn_out   mirrors: cpu/attn_out.cc, cuda/attn_out.cu, wgpu/attn_out.wgsl
//   x = x + Wo a
//   a: [n_row, n_head * d_head] f32   Wo: [d_model, n_head * d_head] quantized   x: [n_row, d_model] f32
//   sum: double, index order; the residual is added in f32
#include "ref/context.h"

namespace tercet::ref {

void Stages::attn_out(const model::LayerSpec& layer, const model::Shape& shape) {
  matmul(pool_, h_, layer.wo, a_, shape.n_row);
  for (size_t i = 0; i < x_.size(); ++i) x_[i] += h_[i];
  tap(backend::Tap::kFfnInp, layer.index, x_, config_.d_model);
}

}  // namespace tercet::ref
