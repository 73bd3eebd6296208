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

// One workgroup a block where rows are few and longer than a block: alone they would leave most of a GPU idle.
int Stages::attn_split(const model::Shape& shape) const {
  const int n_block = (shape.max_length + kPageSize - 1) / kPageSize;
  const int64_t n_group = int64_t{shape.n_row} * n_block;
  if (n_block == 1 || shape.n_row > 64 || n_group > context_.limits().maxComputeWorkgroupsPerDimension) return 1;
  return n_group * config_.n_head * (config_.d_head + 4) <= block_words_ ? n_block : 1;
}

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  const model::Config& c = config_;
  const int split = attn_split(shape);
  const auto constants = [&] {
    return constant("N_HEAD", c.n_head) + constant("N_HEAD_KV", c.n_head_kv) + constant("D_HEAD", c.d_head) +
           constant("IS_SPLIT", split > 1);
  };
  const SiteId id = {"attn", layer.index, split > 1 ? 1 : 0};
  const auto found = sites_.find(id);
  Site* at = found == sites_.end() ? nullptr : &found->second;
  if (at == nullptr) {
    const Range ranges[] = {{b.heads.get(), 0, 0},
                            {kv.keys[static_cast<size_t>(layer.index)].get(), 0, 0},
                            {kv.values[static_cast<size_t>(layer.index)].get(), 0, 0},
                            {split > 1 ? b.blocks.get() : b.a.get(), 0, 0}};
    at = site(id, "rrrw", ranges);
  }
  launch(
      at, 0, [&] { return Recipe{"attn", constants(), std::string(kv.type == backend::KvType::kF16 ? kF16 : kF32)}; },
      c.n_head, int64_t{shape.n_row} * split);
  if (split > 1) {
    const SiteId merge_id = {"merge", -1, 0};
    const auto merge_found = sites_.find(merge_id);
    Site* merge = merge_found == sites_.end() ? nullptr : &merge_found->second;
    if (merge == nullptr) {
      const Range ranges[] = {{b.blocks.get(), 0, 0}, {b.a.get(), 0, 0}};
      merge = site(merge_id, "rw", ranges);
    }
    launch(merge, 0, [&] { return Recipe{"kernels/merge", constants()}; }, c.n_head, shape.n_row);
  }
  tap(backend::Tap::kKqvOut, layer.index, b.a, shape.n_row, c.d_q());
}

}  // namespace tercet::wgpu
