// attn_out on the host's side; the stage is attn_out.wgsl.
#include "wgpu/product.h"

namespace tercet::wgpu {

void Stages::attn_out(const model::LayerSpec& layer, const model::Shape& shape) {
  products({.name = "attn_out",
            .layer = layer.index,
            .matrices = {&weights_of(layer).wo},
            .x = &b.a,
            .y = &b.x,
            .n_row = shape.n_row,
            .y_stride = config_.d_model,
            .adds = true,
            .y_placed = true});
  tap_placed(backend::Tap::kFfnInp, layer.index, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::wgpu
