// Owns how a step's input lies in its buffer: the counts and places that kernels/common.wgsl reads by number, then arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "backend/host_backend.h"
#include "wgpu/stages.h"

namespace tercet::wgpu {

// All as 32-bit words.
class InputWriter {
 public:
  // tile_queries: of kernels/attn_tile.wgsl.
  InputWriter(const model::Config& config, int tile_queries);
  // The words of a step, valid until the next call.
  const std::vector<uint32_t>& write(const backend::Step& step);
  // Of the step last written.
  const StepShape& shape() const { return shape_; }

 private:
  uint32_t begin(int header_word);  // of an array: its place goes into that word
  void write_rotations(const backend::Step& step);
  void write_tiles(const backend::Step& step);

  std::vector<double> frequency_;  // [d_head / 2] rope_base^(-2 i / d_head)
  std::vector<uint32_t> words_;
  int n_vocab_;
  int64_t heads_a_key_;
  int64_t tile_queries_;
  StepShape shape_;
};

}  // namespace tercet::wgpu
