// attn on the host's side; the stage is attn.wgsl.
#include <algorithm>

#include "wgpu/stages.h"

namespace tercet::wgpu {
namespace {

constexpr std::string_view kF32 =
    "alias KvWord = vec4<f32>;\n"
    "fn kv_word(value: vec4<f32>) -> KvWord { return value; }\n"
    "fn kv_value(word: KvWord) -> vec4<f32> { return word; }\n";
constexpr std::string_view kF16 =
    "alias KvWord = vec2<u32>;\n"
    "fn kv_word(value: vec4<f32>) -> KvWord { return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw)); }\n"
    "fn kv_value(word: KvWord) -> vec4<f32> { return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y)); }\n";

// Words of four elements; what else is bound depends on who has made the heads.
constexpr std::string_view kHeadsAreMade =
    "@group(1) @binding(0) var<storage, read> heads: array<vec4<f32>>;  // [n_row, N_HEAD + 2 N_HEAD_KV, D_HEAD]\n"
    "@group(1) @binding(1) var<storage, read> keys: array<KvWord>;\n"
    "@group(1) @binding(2) var<storage, read> values: array<KvWord>;\n";
constexpr std::string_view kLone =
    "@group(1) @binding(0) var<storage, read> qkv: array<f32>;\n"
    "@group(1) @binding(1) var<storage, read_write> keys: array<KvWord>;\n"
    "@group(1) @binding(2) var<storage, read_write> values: array<KvWord>;\n"
    "@group(1) @binding(4) var<storage, read> q_norm: array<f32>;\n"
    "@group(1) @binding(5) var<storage, read> k_norm: array<f32>;\n"
    "@group(1) @binding(6) var<storage, read_write> heads: array<f32>;\n";

}  // namespace

// One workgroup a block where rows are few and longer than a block: alone they would leave most of a GPU idle.
int Stages::attn_split(int n_row, int max_length) const {
  const int n_block = (max_length + kPageSize - 1) / kPageSize;
  const int64_t n_group = int64_t{n_row} * n_block;
  if (n_block == 1 || n_row > 64 || n_group > context_.limits().maxComputeWorkgroupsPerDimension) return 1;
  return n_group * config_.n_head * (config_.d_head + 4) <= block_words_ ? n_block : 1;
}

// As many queries as the adapter has shared memory for.
int Stages::attn_tile_t() const {
  const uint32_t bytes = context_.limits().maxComputeWorkgroupStorageSize;
  for (const int t : {8, 4})
    if (std::max(2048 * t + 8192, 4096 * t) + 1024 + 128 * t <= static_cast<int>(std::min(bytes, 1U << 30))) return t;
  return 2;
}

void Stages::attn(const model::LayerSpec& layer, const model::Shape& shape) {
  // Of wider heads the sums of a tile would not stay in registers.
  const bool has_tiles = !is_planar_ && config_.d_head <= 256 && step_.n_tile > 0;
  if (has_tiles) attn_tiles(layer.index);
  attn_rows(layer.index, has_tiles ? step_.n_lone : shape.n_row, shape.max_length);
  if (is_lone_) tap_heads(layer.index, shape.n_row);
  tap_placed(backend::Tap::kKqvOut, layer.index, b.a, shape.n_row, config_.d_q());
}

void Stages::attn_tiles(int layer) {
  const model::Config& c = config_;
  const auto i = static_cast<size_t>(layer);
  const SiteId id = {"attn_tile", layer, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const Range ranges[] = {
        {b.heads.get(), 0, 0}, {kv.keys[i].get(), 0, 0}, {kv.values[i].get(), 0, 0}, {b.a.get(), 0, 0}};
    at = site(id, "rrrw", ranges);
  }
  const int t = attn_tile_t();
  launch(
      at, 0,
      [&] {
        return Recipe{"kernels/attn_tile",
                      constant("N_HEAD", c.n_head) + constant("N_HEAD_KV", c.n_head_kv) + constant("D_HEAD", c.d_head) +
                          constant("T", t),
                      std::string(kv.type == backend::KvType::kF16 ? kF16 : kF32),
                      {{'t', t}, {'r', 4}, {'b', std::max(1, t / 2)}, {'c', (c.d_head + 63) / 64}}};
      },
      c.n_head_kv, step_.n_tile);
}

void Stages::attn_rows(int layer, int n_row, int max_length) {
  const model::Config& c = config_;
  const int split = attn_split(n_row, max_length);
  const auto constants = [&] {
    return constant("N_HEAD", c.n_head) + constant("N_HEAD_KV", c.n_head_kv) + constant("D_HEAD", c.d_head) +
           constant("IS_SPLIT", split > 1) + constant("EPS", c.rms_eps);
  };
  const SiteId id = {is_lone_ ? "attn_lone" : "attn", layer, split > 1 ? 1 : 0};
  Site* at = find(id);
  if (at == nullptr) {
    const auto& norms = weights_.norms.layers[static_cast<size_t>(layer)];
    const auto norm_bytes = static_cast<uint64_t>(4 * c.d_head);
    std::vector<Range> ranges = {{is_lone_ ? b.qkv.get() : b.heads.get(), 0, 0},
                                 {kv.keys[static_cast<size_t>(layer)].get(), 0, 0},
                                 {kv.values[static_cast<size_t>(layer)].get(), 0, 0},
                                 {split > 1 ? b.blocks.get() : b.a.get(), 0, 0}};
    if (is_lone_) {
      ranges.push_back({weights_.norms.buffer.get(), norms.q, norm_bytes});
      ranges.push_back({weights_.norms.buffer.get(), norms.k, norm_bytes});
      ranges.push_back({b.heads.get(), 0, 0});
    }
    at = site(id, is_lone_ ? "rwwwrrw" : "rrrw", ranges);
  }
  launch(
      at, 0,
      [&] {
        return Recipe{
            "attn",
            constants(),
            std::string(kv.type == backend::KvType::kF16 ? kF16 : kF32) + std::string(is_lone_ ? kLone : kHeadsAreMade),
            {{'l', is_lone_ ? 1 : 0}, {'c', is_lone_ ? 0 : 1}}};
      },
      c.n_head, int64_t{n_row} * split);
  if (split > 1) {
    const SiteId merge_id = {"merge", -1, 0};
    Site* merge = find(merge_id);
    if (merge == nullptr) {
      const Range ranges[] = {{b.blocks.get(), 0, 0}, {b.a.get(), 0, 0}};
      merge = site(merge_id, "rw", ranges);
    }
    launch(merge, 0, [&] { return Recipe{"kernels/merge", constants()}; }, c.n_head, n_row);
  }
}

}  // namespace tercet::wgpu
