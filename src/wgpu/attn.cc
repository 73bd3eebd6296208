// attn on the host's side; the stage is attn.wgsl.
#include "wgpu/stages.h"

namespace tercet::wgpu {
namespace {

constexpr std::string_view kF32 =
    "alias KvWord = vec4<f32>;\n"
    "fn kv_value(word: KvWord) -> vec4<f32> { return word; }\n";
constexpr std::string_view kF16 =
    "alias KvWord = vec2<u32>;\n"
    "fn kv_value(word: KvWord) -> vec4<f32> { return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y)); }\n";

}  // namespace

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  const model::Config& c = config_;
  const SiteId id = {"attn", layer.index, 0};
  const auto found = sites_.find(id);
  Site* at = found == sites_.end() ? nullptr : &found->second;
  if (at == nullptr) {
    const Range ranges[] = {{b.heads.get(), 0, 0},
                            {kv.keys[static_cast<size_t>(layer.index)].get(), 0, 0},
                            {kv.values[static_cast<size_t>(layer.index)].get(), 0, 0},
                            {b.a.get(), 0, 0}};
    at = site(id, "rrrw", ranges);
  }
  launch(
      at, 0,
      [&] {
        return Recipe{"attn",
                      constant("N_HEAD", c.n_head) + constant("N_HEAD_KV", c.n_head_kv) + constant("D_HEAD", c.d_head),
                      std::string(kv.type == backend::KvType::kF16 ? kF16 : kF32)};
      },
      c.n_head, shape.n_row);
  tap(backend::Tap::kKqvOut, layer.index, b.a, shape.n_row, c.d_q());
}

}  // namespace tercet::wgpu
