// embed on the host's side; the stage is embed.wgsl.
#include "wgpu/stages.h"

namespace tercet::wgpu {

void Stages::embed(const model::Model&, const model::Shape& shape) {
  const Tensor& w = weights_.token_embd;
  const int64_t n_unit = w.cols / kUnit;
  for (size_t i = 0; i < w.parts.size(); ++i) {
    const Part& part = w.parts[i];
    const SiteId id = {"embed", -1, static_cast<int>(i)};
    Site* at = find(id);
    if (at == nullptr) {
      const uint32_t words[] = {part.planes[0],
                                part.planes[1],
                                part.planes[2],
                                0,
                                static_cast<uint32_t>(part.first_row),
                                static_cast<uint32_t>(part.n_row)};
      const Range ranges[] = {
          {b.last_token.get(), 0, 0}, {b.x.get(), 0, 0}, uniforms(words), {part.buffer.get(), 0, 0}};
      at = site(id, "rwur", ranges);
    }
    launch(
        at, 0, [&] { return Recipe{"embed", constant("UNITS", n_unit), loader(w.type, 0, 3)}; }, (n_unit + 255) / 256,
        shape.n_row);
  }
  tap_placed(backend::Tap::kInpEmbd, -1, b.x, shape.n_row, config_.d_model);
}

}  // namespace tercet::wgpu
