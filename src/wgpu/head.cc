// head on the host's side; the stage is head.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

void Stages::head(const model::Model&, const model::Shape& shape) {
  if (shape.n_output == 0) return;
  const Tensor& w = weights_.output.parts.empty() ? weights_.token_embd : weights_.output;
  normalise({"output_norm", -1, 0}, weights_.norms.output, b.x, b.head_in, shape.n_output, true);
  tap(backend::Tap::kResultNorm, -1, b.head_in, shape.n_output, config_.d_model);
  products({.name = "output",
            .layer = -1,
            .matrices = {&w},
            .x = &b.head_in,
            .y = &b.logits,
            .n_row = shape.n_output,
            .y_stride = config_.n_vocab,
            .of_outputs = true});
  tap(backend::Tap::kResultOutput, -1, b.logits, shape.n_output, config_.n_vocab);
  if (!is_greedy_) return;
  const SiteId id = {"head", -1, 0};
  const auto found = sites_.find(id);
  Site* at = found == sites_.end() ? nullptr : &found->second;
  if (at == nullptr) {
    const Range ranges[] = {{b.logits.get(), 0, 0}, {b.tokens.get(), 0, 0}, {b.last_token.get(), 0, 0}};
    at = site(id, "rww", ranges);
  }
  launch(at, 0, [&] { return Recipe{"head", constant("N_VOCAB", config_.n_vocab)}; }, shape.n_output, 1);
}

}  // namespace tercet::wgpu
