// head on the host's side; the stage is head.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

void Stages::head(const model::Model&, const model::Shape& shape) {
  if (shape.n_output == 0) return;
  const Tensor& w = weights_.output.parts.empty() ? weights_.token_embd : weights_.output;
  const bool is_planar = !takes_tiles(shape.n_output);
  normalise({"output_norm", -1, 0}, weights_.norms.output, b.x, b.head_in, shape.n_output, true, is_planar);
  tap(backend::Tap::kResultNorm, -1, b.head_in, shape.n_output, config_.d_model, config_.d_model, 0, is_planar);
  products({.name = "output",
            .layer = -1,
            .matrices = {&w},
            .x = &b.head_in,
            .y = &b.logits,
            .n_row = shape.n_output,
            .y_stride = config_.n_vocab,
            .of_outputs = true});
  tap(backend::Tap::kResultOutput, -1, b.logits, shape.n_output, config_.n_vocab);
  if (timer_ != nullptr) end_stage(backend::Stage::kHead);  // to choose tokens is no stage
  choose(shape.n_output);
}

}  // namespace tercet::wgpu
