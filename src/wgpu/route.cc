// route on the host's side; the stage is route.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

using backend::Tap;

void Stages::route(const model::LayerSpec& layer, const model::Shape& shape) {
  const model::Config& c = config_;
  const Norms::Layer& norms = weights_.norms.layers[static_cast<size_t>(layer.index)];
  Product product = {.name = "router",
                     .layer = layer.index,
                     .matrices = {&weights_of(layer).gate_inp},
                     .x = &b.h,
                     .y = &b.router,
                     .n_row = shape.n_row,
                     .y_stride = c.n_expert};
  if (is_planar_) {
    product.x = &b.x;
    product.norm = norms.ffn_planar;
    product.h = &b.h;
  } else {
    normalise({"ffn_norm", layer.index, 0}, norms.ffn, b.x, b.h, shape.n_row, false, false);
  }
  products(product);
  tap_placed(Tap::kFfnNorm, layer.index, b.h, shape.n_row, c.d_model);
  if (!groups_slots(layer.index, shape.n_row)) return;  // gate.wgsl chooses
  const SiteId id = {"route", -1, 0};                   // the same for every layer
  Site* at = find(id);
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
