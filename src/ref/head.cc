// head   contract: docs/stages.md#head   mirrors: cpu/head.cc, cuda/head.cu, wgpu/head.wgsl
//   logits = Wout rms_norm(x), for the rows that were asked for; sampling: backend/sampling.h
//   x: [n_row, d_model] f32   Wout: [n_vocab, d_model] quantized   logits: [n_output, n_vocab] f32
//   sum: double, index order
#include "ref/context.h"

namespace tercet::ref {

void Stages::head(const model::Model& model, const model::Shape& shape) {
  const size_t d_model = static_cast<size_t>(config_.d_model);
  head_in_.resize(static_cast<size_t>(shape.n_output) * d_model);
  for (size_t i = 0; i < step_->outputs().size(); ++i)
    std::copy_n(&x_[static_cast<size_t>(step_->outputs()[i].row) * d_model], d_model, &head_in_[i * d_model]);
  rms_norm(head_in_, head_in_, model.output_norm, shape.n_output, config_.rms_eps);
  tap(backend::Tap::kResultNorm, -1, head_in_, config_.d_model);
  logits_.resize(static_cast<size_t>(shape.n_output) * static_cast<size_t>(config_.n_vocab));
  matmul(pool_, logits_, model.output, head_in_, shape.n_output);
  tap(backend::Tap::kResultOutput, -1, logits_, config_.n_vocab);
}

}  // namespace tercet::ref
