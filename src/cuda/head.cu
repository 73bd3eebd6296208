// head   contract: docs/stages.md#head   mirrors: ref/head.cc, cpu/head.cc, wgpu/head.wgsl
//   logits = Wout rms_norm(x), for the rows that were asked for; sampling: backend/sampling.h
//   x: [n_row, d_model] f32   Wout: [n_vocab, d_model] quantized   logits: [n_output, n_vocab] f32
//   launch: products.cu   sum: f32, a fixed order
//   cost: reads Wout once a step; bandwidth-bound for few rows
#include "cuda/products.h"

namespace tercet::cuda {

void Stages::head(const model::Model&, const model::Shape& shape) {
  const Product product = {&weights_.output, b.logits, config_.n_vocab, false};
  if (shape.n_output > 0)
    products("head",
             {b.x, config_.d_model, weights_.output_norm, shape.n_output, in.output_row,
              if_wanted(backend::Tap::kResultNorm, b.h)},
             &product, 1);
  tap(backend::Tap::kResultNorm, -1, b.h, shape.n_output, config_.d_model);
  tap(backend::Tap::kResultOutput, -1, b.logits, shape.n_output, config_.n_vocab);
}

}  // namespace tercet::cuda
