// attn_out   contract: docs/stages.md#attn_out   mirrors: ref/attn_out.cc, cuda/attn_out.cu, wgpu/attn_out.wgsl
//   x = x + Wo a
//   a: [n_row, n_head * d_head] f32   Wo: [d_model, n_head * d_head] quantized   x: [n_row, d_model] f32
//   launch: 32 to 512 weight rows a piece     sum: kernels.h's fixed order; the residual is added in f32
//   cost: reads Wo once a step; bandwidth-bound for few rows
#include "cpu/context.h"

namespace tercet::cpu {

void Stages::attn_out(const model::LayerSpec& layer, const model::Shape&) {
  y_.resize(x_.size());
  const Projection job = {layer.wo, &a_, {}, y_.data()};
  project({&job, 1});
  add_residual(y_.data());
  tap(backend::Tap::kFfnInp, layer.index, x_, config_.d_model);
}

}  // namespace tercet::cpu
