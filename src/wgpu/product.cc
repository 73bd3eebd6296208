// Norms and products, of which the stages are made.
#include "wgpu/product.h"

#include <algorithm>
#include <array>

#include "wgpu/shaders.h"

namespace tercet::wgpu {

int tile_rows(int64_t n_row) { return n_row == 1 ? 1 : n_row == 2 ? 2 : n_row <= 4 ? 4 : 8; }

int shared_outputs(int tile, int64_t n_output, int64_t n_tile, int lanes, int n_matrix, int enough_groups) {
  if (tile == 1) return n_output >= 4096 ? 2 : 1;
  const auto enough = [&](int shared) { return n_tile * n_output * lanes / (256 * shared) >= enough_groups; };
  const int most = 4 / n_matrix;
  return most == 4 && enough(4) ? 4 : enough(2) ? 2 : 1;
}

// As many rows as a tile can have without many of them being idle, and as many outputs as its shared memory holds.
TileShape Stages::tile_shape(int64_t n_row, int64_t n_output, int n_matrix) const {
  const int t = n_row <= 16 ? 1 : n_row <= 32 ? 2 : n_row <= 64 ? 4 : 8;
  const auto n_group = [&](TileShape s) {
    return ((n_output + s.outputs() - 1) / s.outputs()) * ((n_row + s.rows() - 1) / s.rows());
  };
  const auto fits = [&](TileShape s) {
    const int64_t n_byte = int64_t{128} * (s.rows() + n_matrix * s.outputs());
    return n_byte <= context_.limits().maxComputeWorkgroupStorageSize;
  };
  TileShape shape = {std::min(t, 4), 4 / n_matrix};
  for (const TileShape larger : {TileShape{shape.t, 8 / n_matrix}, TileShape{t, 8 / n_matrix}})
    if (fits(larger)) shape = larger;
  while (shape.r * n_matrix > 2 && n_group(shape) < enough_groups_) shape.r /= 2;
  while (shape.t > 1 && n_group(shape) < enough_groups_) shape.t /= 2;
  return shape;
}

std::string tile_constants(const TileShape& shape, int64_t cols, int n_at_once, int n_matrix, bool adds) {
  return constant("UNITS", cols / kUnit) + constant("T", shape.t) + constant("R", shape.r) +
         constant("N_AT_ONCE", n_at_once) + constant("D", n_matrix) + constant("ADDS", adds);
}

std::map<char, int> tile_counts(const TileShape& shape, int n_at_once, int n_matrix, bool is_gate) {
  return {{'a', std::max(1, shape.t / 2)}, {'t', shape.t}, {'r', shape.r}, {'m', n_at_once}, {'d', n_matrix},
          {'g', is_gate ? 1 : 0}};
}

void Stages::normalise(const SiteId& id, uint64_t norm, const Buffer& from, const Buffer& to, int64_t n_row,
                       bool of_outputs, bool to_planar) {
  const auto cols = static_cast<uint64_t>(config_.d_model);
  Site* at = find(id);
  if (at == nullptr) {
    const Range ranges[] = {{from.get(), 0, 0}, {weights_.norms.buffer.get(), norm, 4 * cols}, {to.get(), 0, 0}};
    at = site(id, "rrw", ranges);
  }
  launch(
      at, to_planar ? 1 : 0,
      [&] {
        return Recipe{"kernels/norm", constant("COLS", cols) + constant("EPS", config_.rms_eps) +
                                          constant("OF_OUTPUTS", of_outputs) + constant("TO_PLANAR", to_planar)};
      },
      n_row, 1);
}

// All matrices at once if each is in one part, else a launch for each part.
void Stages::products(const Product& p) {
  bool together = true;
  for (const Tensor* w : p.matrices) together = together && w->parts.size() == 1;
  if (together) {
    std::vector<std::pair<const Tensor*, const Part*>> parts;
    std::vector<uint32_t> first;
    uint32_t end = 0;
    for (const Tensor* w : p.matrices) {
      parts.emplace_back(w, &w->parts[0]);
      first.push_back(end);
      end += static_cast<uint32_t>(w->rows);
    }
    return one_product(p, parts, first, 0);
  }
  uint32_t begin = 0;
  int index = 0;
  for (const Tensor* w : p.matrices) {
    for (const Part& part : w->parts) {
      const std::pair<const Tensor*, const Part*> one[] = {{w, &part}};
      const uint32_t first[] = {begin + static_cast<uint32_t>(part.first_row)};
      one_product(p, one, first, ++index);
    }
    begin += static_cast<uint32_t>(w->rows);
  }
}

void Stages::one_product(const Product& p, std::span<const std::pair<const Tensor*, const Part*>> parts,
                         std::span<const uint32_t> first, int part_index) {
  const bool normalises = p.h != nullptr;
  const SiteId id = {p.name, p.layer, 2 * part_index + (normalises ? 1 : 0)};
  const int64_t cols = parts[0].first->cols;
  const int n_matrix = static_cast<int>(parts.size());
  const int lanes = lanes_for(cols / kUnit, parts[0].first->rows);
  Site* at = find(id);
  if (at == nullptr) {
    std::array<uint32_t, 20> words = {};
    std::vector<Range> ranges = {{p.x->get(), 0, 0}, {p.y->get(), 0, 0}, {}};
    std::string uses = "rwu";
    for (size_t m = 0; m < parts.size(); ++m) {
      std::copy_n(parts[m].second->planes.begin(), 3, words.begin() + static_cast<std::ptrdiff_t>(4 * m));
      words[12 + m] = static_cast<uint32_t>(parts[m].second->n_row);
      words[16 + m] = first[m];
      ranges.push_back({parts[m].second->buffer.get(), 0, 0});
      uses += 'r';
    }
    if (normalises) {
      ranges.push_back({weights_.norms.buffer.get(), p.norm, static_cast<uint64_t>(4 * cols)});
      ranges.push_back({p.h->get(), 0, 0});
      uses += "rw";
    }
    words[15] = static_cast<uint32_t>(p.y_stride);
    ranges[2] = uniforms(words);
    at = site(id, uses, ranges);
  }
  std::string functions =
      fmt::format("fn n_rows_in() -> u32 {{ return {}(); }}\n", p.of_outputs ? "n_output" : "n_row");
  for (int m = 0; m < n_matrix; ++m) functions += loader(parts[static_cast<size_t>(m)].first->type, m, 3 + m);
  if (takes_tiles(p.n_row)) {
    int64_t n_output = 0;
    for (const auto& [w, part] : parts) n_output += part->n_row;
    const TileShape shape = tile_shape(p.n_row, n_output, 1);
    int64_t n_tile = 0;
    for (const auto& [w, part] : parts) n_tile += (part->n_row + shape.outputs() - 1) / shape.outputs();
    return launch(
        at, tile_variant(shape),
        [&] {
          return Recipe{"kernels/tile", tile_constants(shape, cols, 1, n_matrix, p.adds),
                        functions + std::string(shader("kernels/step_rows")), tile_counts(shape, 1, n_matrix, false)};
        },
        n_tile, (p.n_row + shape.rows() - 1) / shape.rows());
  }
  if (normalises)
    functions += fmt::format(
        "@group(1) @binding({}) var<storage, read> norm: array<vec4<f32>>;\n"
        "@group(1) @binding({}) var<storage, read_write> h: array<vec4<f32>>;\n",
        3 + n_matrix, 4 + n_matrix);
  const int rows = tile_rows(p.n_row);
  int64_t n_group = 0;
  int64_t most = 0;
  for (const auto& [w, part] : parts) most = std::max(most, part->n_row);
  const int shared = shared_outputs(rows, most, (p.n_row + rows - 1) / rows, lanes, 1, enough_groups_);
  const int group_outputs = 256 / lanes * shared;
  for (const auto& [w, part] : parts) n_group += (part->n_row + group_outputs - 1) / group_outputs;
  launch(
      at, variant(rows, shared),
      [&] {
        return Recipe{
            "kernels/product",
            constant("COLS", cols) + constant("UNITS", cols / kUnit) + constant("LANES", lanes) + constant("T", rows) +
                constant("N_MATRIX", n_matrix) + constant("R", shared) + constant("ADDS", p.adds) +
                constant("EPS", config_.rms_eps) + constant("Y_PLANAR", p.y_placed && is_planar_),
            functions,
            {{'m', n_matrix}, {'r', shared}, {'t', rows}, {'n', normalises ? 1 : 0}, {'z', sums_in_shared(lanes)}}};
      },
      n_group, (p.n_row + rows - 1) / rows);
}

}  // namespace tercet::wgpu
