// head   contract: docs/stages.md#head   mirrors: ref/head.cc, cuda/head.cu, wgpu/head.wgsl
//   logits = Wout rms_norm(x), for the rows that were asked for; sampling: backend/sampling.h
//   x: [n_row, d_model] f32   Wout: [n_vocab, d_model] quantized   logits: [n_output, n_vocab] f32
//   launch: 32 to 512 weight rows a piece     sum: kernels.h's fixed order
//   cost: reads Wout once a step; bandwidth-bound for few rows
#include "cpu/context.h"

namespace tercet::cpu {

void Stages::head(const model::Model& model, const model::Shape& shape) {
  const int64_t d_model = config_.d_model;
  head_in_.resize(shape.n_output, d_model);
  for (int i = 0; i < shape.n_output; ++i) {
    const int64_t row = step_->outputs()[static_cast<size_t>(i)].row;
    kernels_.rms_norm(head_in_.row(i), x_.data() + row * d_model, model.output_norm.data(), d_model, config_.rms_eps);
  }
  head_in_.set_changed();
  tap(backend::Tap::kResultNorm, -1, head_in_.values, d_model);
  logits_.resize(static_cast<size_t>(shape.n_output) * static_cast<size_t>(config_.n_vocab));
  if (shape.n_output > 0) {
    const Projection job = {model.output, &head_in_, {}, logits_.data()};
    project({&job, 1});
  }
  tap(backend::Tap::kResultOutput, -1, logits_, config_.n_vocab);
}

}  // namespace tercet::cpu
