// attn on the host's side; the stage is attn.wgsl.
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
           constant("IS_SPLIT", split > 1) + constant("EPS", c.rms_eps);
  };
  const SiteId id = {is_lone_ ? "attn_lone" : "attn", layer.index, split > 1 ? 1 : 0};
  Site* at = find(id);
  if (at == nullptr) {
    const auto& norms = weights_.norms.layers[static_cast<size_t>(layer.index)];
    const auto norm_bytes = static_cast<uint64_t>(4 * c.d_head);
    std::vector<Range> ranges = {{is_lone_ ? b.qkv.get() : b.heads.get(), 0, 0},
                                 {kv.keys[static_cast<size_t>(layer.index)].get(), 0, 0},
                                 {kv.values[static_cast<size_t>(layer.index)].get(), 0, 0},
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
      c.n_head, int64_t{shape.n_row} * split);
  if (split > 1) {
    const SiteId merge_id = {"merge", -1, 0};
    Site* merge = find(merge_id);
    if (merge == nullptr) {
      const Range ranges[] = {{b.blocks.get(), 0, 0}, {b.a.get(), 0, 0}};
      merge = site(merge_id, "rw", ranges);
    }
    launch(merge, 0, [&] { return Recipe{"kernels/merge", constants()}; }, c.n_head, shape.n_row);
  }
  if (is_lone_) tap_heads(layer.index, shape.n_row);
  tap_placed(backend::Tap::kKqvOut, layer.index, b.a, shape.n_row, c.d_q());
}

}  // namespace tercet::wgpu
