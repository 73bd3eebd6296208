// experts on the host's side; the stage is experts.wgsl.
#include <algorithm>

#include "wgpu/product.h"
#include "wgpu/shaders.h"

namespace tercet::wgpu {
namespace {

constexpr int kTileRows = 8;  // of an expert, where slots are grouped and the sums have one order

}  // namespace

// Few enough that most of a tile's rows are in use, where each expert has its share of the slots.
TileShape Stages::expert_tile(int64_t n_row) const {
  const int64_t share = n_row * config_.n_expert_used / config_.n_expert;
  const int t = share >= 32 ? 4 : share >= 12 ? 2 : 1;
  const TileShape gate = tile_shape(16 * t, 2);
  return {gate.t, gate.r};
}

void Stages::experts(const model::LayerSpec& layer, const model::Shape& shape) {
  const model::Config& c = config_;
  const bool tiled = takes_tiles(shape.n_row);
  const int tile_rows = tiled ? expert_tile(shape.n_row).rows() : kTileRows;
  if (tiled || groups_slots(shape.n_row)) {
    const SiteId id = {"group", -1, 0};
    const auto found = sites_.find(id);
    Site* at = found == sites_.end() ? nullptr : &found->second;
    if (at == nullptr) {
      const Range ranges[] = {{b.ids.get(), 0, 0}, {b.tiles.get(), 0, 0}};
      at = site(id, "rw", ranges);
    }
    launch(
        at, tile_rows / 8,
        [&] {
          return Recipe{"kernels/group", constant("N_EXPERT", c.n_expert) + constant("N_USED", c.n_expert_used) +
                                             constant("T", tile_rows) + constant("ORDER_AT", order_at())};
        },
        1, 1);
  }
  expert_products(true, layer.index, shape.n_row);
  expert_products(false, layer.index, shape.n_row);

  const SiteId id = {"combine", -1, 0};
  const auto found = sites_.find(id);
  Site* at = found == sites_.end() ? nullptr : &found->second;
  if (at == nullptr) {
    const Range ranges[] = {{b.slot_out.get(), 0, 0}, {b.weights.get(), 0, 0}, {b.ffn.get(), 0, 0}, {b.x.get(), 0, 0}};
    at = site(id, "rrww", ranges);
  }
  launch(
      at, 0,
      [&] { return Recipe{"kernels/combine", constant("COLS", c.d_model) + constant("N_USED", c.n_expert_used)}; },
      (c.d_model + 255) / 256, shape.n_row);
  tap(backend::Tap::kFfnMoeOut, layer.index, b.ffn, shape.n_row, c.d_model);
  tap(backend::Tap::kLOut, layer.index, b.x, shape.n_row, c.d_model);
}

void Stages::expert_products(bool is_gate, int layer, int n_row) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const Tensor& first = is_gate ? w.gate_exps : w.down_exps;
  const int lanes = lanes_for(first.cols / kUnit);
  const bool is_tiled = takes_tiles(n_row);
  const bool is_grouped = is_tiled || groups_slots(n_row);
  TileShape shape = expert_tile(n_row);
  if (!is_gate) shape.r *= 2;
  const int shared = shared_outputs(is_grouped ? kTileRows : 1, first.rows, is_gate ? 2 : 1);
  const int64_t n_slot = int64_t{n_row} * config_.n_expert_used;
  const int tile_rows = is_tiled ? shape.rows() : kTileRows;
  const int64_t most_tile =
      is_grouped ? std::min<int64_t>(n_slot, n_slot / tile_rows + std::min<int64_t>(n_slot, config_.n_expert)) : n_slot;
  for (size_t i = 0; i < first.parts.size(); ++i) {
    const SiteId id = {is_gate ? "gate_up" : "down", layer, static_cast<int>(i)};
    const auto found = sites_.find(id);
    Site* at = found == sites_.end() ? nullptr : &found->second;
    const Part& part = first.parts[i];
    if (at == nullptr) {
      const Part& second = is_gate ? w.up_exps.parts[i] : part;
      const uint32_t words[] = {part.planes[0],
                                part.planes[1],
                                part.planes[2],
                                0,
                                second.planes[0],
                                second.planes[1],
                                second.planes[2],
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                static_cast<uint32_t>(part.first_row / first.rows),
                                static_cast<uint32_t>(part.n_row / first.rows)};
      std::vector<Range> ranges = {{is_gate ? b.h.get() : b.act.get(), 0, 0},
                                   {is_gate ? b.act.get() : b.slot_out.get(), 0, 0},
                                   uniforms(words),
                                   {b.ids.get(), 0, 0},
                                   {b.tiles.get(), 0, 0},
                                   {part.buffer.get(), 0, 0}};
      if (is_gate) ranges.push_back({second.buffer.get(), 0, 0});
      at = site(id, is_gate ? "rwurrrr" : "rwurrr", ranges);
    }
    std::string functions = loader(first.type, 0, 5);
    if (is_gate) functions += loader(w.up_exps.type, 1, 6);
    const int n_matrix = is_gate ? 2 : 1;
    if (is_tiled) {
      launch(
          at, kTileVariant + shape.t,
          [&] {
            return Recipe{"kernels/tile",
                          tile_constants(shape, first.cols, n_matrix, n_matrix, false) +
                              constant("OUTPUTS", first.rows) + constant("ORDER_AT", order_at()) +
                              constant("SLOTS_A_ROW", is_gate ? config_.n_expert_used : 1),
                          functions + std::string(shader("kernels/expert_rows")),
                          tile_counts(shape, n_matrix, n_matrix, is_gate)};
          },
          (first.rows + shape.outputs() - 1) / shape.outputs(), most_tile);
      continue;
    }
    launch(
        at, is_grouped ? kTileRows : 1,
        [&] {
          return Recipe{"experts",
                        constant("UNITS", first.cols / kUnit) + constant("OUTPUTS", first.rows) +
                            constant("LANES", lanes) + constant("T", is_grouped ? kTileRows : 1) +
                            constant("N_MATRIX", is_gate ? 2 : 1) + constant("N_USED", config_.n_expert_used) +
                            constant("IS_GATE", is_gate) + constant("IS_GROUPED", is_grouped) + constant("R", shared) +
                            constant("ORDER_AT", order_at()),
                        functions,
                        {{'m', n_matrix}, {'r', shared}, {'t', is_grouped ? kTileRows : 1}}};
        },
        (first.rows + 256 / lanes * shared - 1) / (256 / lanes * shared), most_tile);
  }
}

}  // namespace tercet::wgpu
