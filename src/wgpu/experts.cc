// experts on the host's side; the stage is experts.wgsl.
#include <algorithm>

#include "wgpu/product.h"
#include "wgpu/shaders.h"

namespace tercet::wgpu {
namespace {

// What the kernels read of a part of one matrix, or of two that are cut alike.
std::array<uint32_t, 18> part_words(const Part& first, const Part& second, int64_t rows) {
  std::array<uint32_t, 18> words = {};
  std::copy(first.planes.begin(), first.planes.end(), words.begin());
  std::copy(second.planes.begin(), second.planes.end(), words.begin() + 4);
  words[16] = static_cast<uint32_t>(first.first_row / rows);
  words[17] = static_cast<uint32_t>(first.n_row / rows);
  return words;
}

}  // namespace

// Few enough that most of a tile's rows are in use, where each expert has its share of the slots.
TileShape Stages::expert_tile(int64_t n_row, int n_matrix) const {
  const int64_t share = n_row * config_.n_expert_used / config_.n_expert;
  // As if there were one for each row: they are many.
  TileShape shape = tile_shape(share >= 32 ? 64 : share >= 12 ? 32 : 16, int64_t{1} << 20, 2);
  shape.r *= 2 / n_matrix;
  return shape;
}

// Of experts.wgsl: as many as most experts have.
int Stages::expert_rows(int n_row) const { return 2 * n_row * config_.n_expert_used > 5 * config_.n_expert ? 8 : 4; }

void Stages::experts(const model::LayerSpec& layer, const model::Shape& shape) {
  const int n_row = shape.n_row;
  if (!groups_slots(layer.index, n_row)) {
    choose_and_gate(layer.index, n_row);
    down_and_combine(layer.index, n_row);
  } else {
    const bool is_tiled = takes_tiles(n_row);
    group_slots(n_row, is_tiled ? expert_tile(n_row, 2).rows() : expert_rows(n_row));
    for (const bool is_gate : {true, false})
      is_tiled ? expert_tiles(is_gate, layer.index, n_row) : expert_products(is_gate, layer.index, n_row);
    combine(n_row);
  }
  tap(backend::Tap::kFfnMoeOut, layer.index, b.ffn, n_row, config_.d_model);
  tap_placed(backend::Tap::kLOut, layer.index, b.x, n_row, config_.d_model);
}

void Stages::group_slots(int n_row, int tile_rows) {
  const SiteId id = {"group", -1, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const Range ranges[] = {{b.ids.get(), 0, 0}, {b.tiles.get(), 0, 0}};
    at = site(id, "rw", ranges);
  }
  launch(
      at, tile_rows / 4,
      [&] {
        return Recipe{"kernels/group", constant("N_EXPERT", config_.n_expert) +
                                           constant("N_USED", config_.n_expert_used) + constant("T", tile_rows) +
                                           constant("ORDER_AT", order_at())};
      },
      1, n_row > 0 ? 1 : 0);
}

void Stages::combine(int n_row) {
  const SiteId id = {"combine", -1, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const Range ranges[] = {{b.slot_out.get(), 0, 0}, {b.weights.get(), 0, 0}, {b.ffn.get(), 0, 0}, {b.x.get(), 0, 0}};
    at = site(id, "rrww", ranges);
  }
  launch(
      at, 0,
      [&] {
        return Recipe{"kernels/combine", constant("COLS", config_.d_model) + constant("N_USED", config_.n_expert_used)};
      },
      (config_.d_model + 255) / 256, n_row);
}

void Stages::choose_and_gate(int layer, int n_row) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const Tensor& gate = w.gate_exps;
  const int lanes = lanes_for(gate.cols / kUnit, gate.rows);
  const int shared = gate.rows >= 512 && n_row > 1 ? 2 : 1;
  const int64_t group_outputs = 256 / lanes * shared;
  for (size_t i = 0; i < gate.parts.size(); ++i) {
    const SiteId id = {"gate", layer, static_cast<int>(i)};
    Site* at = find(id);
    if (at == nullptr) {
      const Range ranges[] = {{b.h.get(), 0, 0},
                              {b.act.get(), 0, 0},
                              uniforms(part_words(gate.parts[i], w.up_exps.parts[i], gate.rows)),
                              {b.router.get(), 0, 0},
                              {b.ids.get(), 0, 0},
                              {b.weights.get(), 0, 0},
                              {gate.parts[i].buffer.get(), 0, 0},
                              {w.up_exps.parts[i].buffer.get(), 0, 0}};
      at = site(id, "rwurwwrr", ranges);
    }
    launch(
        at, shared,
        [&] {
          return Recipe{"kernels/gate",
                        constant("UNITS", gate.cols / kUnit) + constant("OUTPUTS", gate.rows) +
                            constant("LANES", lanes) + constant("N_EXPERT", config_.n_expert) +
                            constant("N_USED", config_.n_expert_used) + constant("R", shared),
                        loader(gate.type, 0, 6) + loader(w.up_exps.type, 1, 7),
                        {{'m', 2}, {'r', shared}, {'z', sums_in_shared(lanes)}}};
        },
        (gate.rows + group_outputs - 1) / group_outputs, int64_t{n_row} * config_.n_expert_used);
  }
  tap(backend::Tap::kFfnMoeTopk, layer, b.ids, n_row, config_.n_expert_used);
  tap(backend::Tap::kFfnMoeWeightsNorm, layer, b.weights, n_row, config_.n_expert_used);
}

void Stages::down_and_combine(int layer, int n_row) {
  const Tensor& down = weights_.layers[static_cast<size_t>(layer)].down_exps;
  const int lanes = lanes_for(down.cols / kUnit, down.rows);
  int choices = 1;
  while (2 * choices <= config_.n_expert_used && 2 * choices * lanes <= 256) choices *= 2;
  const int n_output = 256 / lanes / choices;
  const SiteId id = {"down", layer, 0};
  Site* at = find(id);
  if (at == nullptr) {
    const Part& part = down.parts[0];
    const Range ranges[] = {{b.act.get(), 0, 0},      {b.ffn.get(), 0, 0}, uniforms(part_words(part, part, down.rows)),
                            {b.x.get(), 0, 0},        {b.ids.get(), 0, 0}, {b.weights.get(), 0, 0},
                            {part.buffer.get(), 0, 0}};
    at = site(id, "rwuwrrr", ranges);
  }
  launch(
      at, 0,
      [&] {
        return Recipe{"kernels/down",
                      constant("UNITS", down.cols / kUnit) + constant("OUTPUTS", down.rows) + constant("LANES", lanes) +
                          constant("CHOICES", choices) + constant("N_USED", config_.n_expert_used),
                      loader(down.type, 0, 6),
                      {{'z', sums_in_shared(lanes)}}};
      },
      (down.rows + n_output - 1) / n_output, n_row);
}

// Of the slots that group.wgsl has listed.
Stages::Site* Stages::expert_site(bool is_gate, int layer, size_t i) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const Tensor& first = is_gate ? w.gate_exps : w.down_exps;
  const SiteId id = {is_gate ? "gate_up" : "down_all", layer, static_cast<int>(i)};
  if (Site* at = find(id)) return at;
  const Part& part = first.parts[i];
  const Part& second = is_gate ? w.up_exps.parts[i] : part;
  std::vector<Range> ranges = {{is_gate ? b.h.get() : b.act.get(), 0, 0},
                               {is_gate ? b.act.get() : b.slot_out.get(), 0, 0},
                               uniforms(part_words(part, second, first.rows)),
                               {b.tiles.get(), 0, 0},
                               {part.buffer.get(), 0, 0}};
  if (is_gate) ranges.push_back({second.buffer.get(), 0, 0});
  return site(id, is_gate ? "rwurrr" : "rwurr", ranges);
}

// More than there can be: the device knows how many there are.
int64_t Stages::most_tiles(int n_row, int tile_rows) const {
  const int64_t n_slot = int64_t{n_row} * config_.n_expert_used;
  return std::min<int64_t>(n_slot, n_slot / tile_rows + std::min<int64_t>(n_slot, config_.n_expert));
}

void Stages::expert_tiles(bool is_gate, int layer, int n_row) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const Tensor& first = is_gate ? w.gate_exps : w.down_exps;
  const int n_matrix = is_gate ? 2 : 1;
  const TileShape shape = expert_tile(n_row, n_matrix);
  for (size_t i = 0; i < first.parts.size(); ++i) {
    launch(
        expert_site(is_gate, layer, i), tile_variant(shape),
        [&] {
          std::string functions = loader(first.type, 0, 4);
          if (is_gate) functions += loader(w.up_exps.type, 1, 5);
          return Recipe{
              "kernels/tile",
              tile_constants(shape, first.cols, n_matrix, n_matrix, false) + constant("OUTPUTS", first.rows) +
                  constant("ORDER_AT", order_at()) + constant("SLOTS_A_ROW", is_gate ? config_.n_expert_used : 1),
              functions + std::string(shader("kernels/expert_rows")), tile_counts(shape, n_matrix, n_matrix, is_gate)};
        },
        (first.rows + shape.outputs() - 1) / shape.outputs(), most_tiles(n_row, shape.rows()));
  }
}

void Stages::expert_products(bool is_gate, int layer, int n_row) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const Tensor& first = is_gate ? w.gate_exps : w.down_exps;
  const int n_matrix = is_gate ? 2 : 1;
  const int lanes = lanes_for(first.cols / kUnit, first.rows);
  const int rows = expert_rows(n_row);
  const int64_t n_tile = most_tiles(n_row, rows);
  const int shared = shared_outputs(rows, first.rows, n_tile, lanes, n_matrix, enough_groups_);
  const int64_t group_outputs = 256 / lanes * shared;
  for (size_t i = 0; i < first.parts.size(); ++i) {
    launch(
        expert_site(is_gate, layer, i), variant(rows, shared),
        [&] {
          std::string functions = loader(first.type, 0, 4);
          if (is_gate) functions += loader(w.up_exps.type, 1, 5);
          return Recipe{
              "experts",
              constant("UNITS", first.cols / kUnit) + constant("OUTPUTS", first.rows) + constant("LANES", lanes) +
                  constant("T", rows) + constant("N_MATRIX", n_matrix) + constant("N_USED", config_.n_expert_used) +
                  constant("IS_GATE", is_gate) + constant("R", shared) + constant("ORDER_AT", order_at()),
              functions,
              {{'m', n_matrix}, {'r', shared}, {'t', rows}, {'g', is_gate ? 1 : 0}, {'z', sums_in_shared(lanes)}}};
        },
        (first.rows + group_outputs - 1) / group_outputs, n_tile);
  }
}

}  // namespace tercet::wgpu
