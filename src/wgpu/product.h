// Owns what a product is told.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "wgpu/stages.h"

namespace tercet::wgpu {

// Up to three matrices with one input; their outputs lie side by side in a row of y.
struct Stages::Product {
  std::string_view name;  // of its site
  int layer;
  std::vector<const Tensor*> matrices;
  const Buffer* x;
  const Buffer* y;
  int64_t n_row;
  int64_t y_stride;
  bool adds = false;      // to what is in y
  bool y_placed = false;  // y's rows lie as the step's do
  // Of the norm to be taken first, in planes, and where the rows go that it gives; of few rows only.
  uint64_t norm = 0;
  const Buffer* h = nullptr;
  bool of_outputs = false;  // n_row is the step's number of outputs
};

// How many rows a kernel takes at a time.
int tile_rows(int64_t n_row);

// How many outputs `lanes` threads share, so that each load of x serves them all: few where there would be fewer than
// enough_groups otherwise. n_tile: of the rows.
int shared_outputs(int tile, int64_t n_output, int64_t n_tile, int lanes, int n_matrix, int enough_groups);

// Places in Site::kernels: of kernels that take T rows and R outputs at a time, and behind them those of kernels/tile.wgsl.
constexpr int variant(int t, int r) {
  const auto log2 = [](int n) { return n >= 8 ? 3 : n >= 4 ? 2 : n >= 2 ? 1 : 0; };
  return 4 * log2(t) + log2(r);
}
constexpr int tile_variant(const TileShape& shape) { return 16 + variant(shape.t, shape.r); }
std::string tile_constants(const TileShape& shape, int64_t cols, int n_at_once, int n_matrix, bool adds);
std::map<char, int> tile_counts(const TileShape& shape, int n_at_once, int n_matrix, bool is_gate);

}  // namespace tercet::wgpu
