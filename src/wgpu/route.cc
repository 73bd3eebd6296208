// route on the host's side; the stage is route.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

using backend::Tap;

void Stages::route(const model::LayerSpec& layer, const model::Shape& shape) {
  const model::Config& c = config_;
  normalise({"ffn_norm", layer.index, 0}, weights_.norms.layers[static_cast<size_t>(layer.index)].ffn, b.x, b.h,
            shape.n_row, false);
  tap(Tap::kFfnNorm, layer.index, b.h, shape.n_row, c.d_model);
  products({.name = "router",
            .layer = layer.index,
            .matrices = {&weights_of(layer).gate_inp},
            .x = &b.h,
            .y = &b.router,
            .n_row = shape.n_row,
            .y_stride = c.n_expert});
  const SiteId id = {"route", -1, 0};  // the same for every layer
  const auto found = sites_.find(id);
  Site* at = found == sites_.end() ? nullptr : &found->second;
  if (at == nullptr) {
    const Range ranges[] = {{b.router.get(), 0, 0}, {b.ids.get(), 0, 0}, {b.weights.get(), 0, 0}};
    at = site(id, "rww", ranges);
  }
  launch(
      at, 0, [&] { return Recipe{"route", constant("N_EXPERT", c.n_expert) + constant("N_USED", c.n_expert_used)}; },
      shape.n_row, 1);
  tap(Tap::kFfnMoeTopk, layer.index, b.ids, shape.n_row, c.n_expert_used);
  tap(Tap::kFfnMoeWeightsNorm, layer.index, b.weights, shape.n_row, c.n_expert_used);
}

}  // namespace tercet::wgpu
