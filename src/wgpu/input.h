// Owns how a step's input lies in its buffer: the counts and places that kernels/common.wgsl reads by number, then arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "backend/host_backend.h"

namespace tercet::wgpu {

// All as 32-bit words.
class InputWriter {
 public:
  InputWriter(int d_head, float rope_base);
  // The words of a step, valid until the next call.
  const std::vector<uint32_t>& write(const backend::Step& step);

 private:
  uint32_t begin(int header_word);  // of an array: its place goes into that word
  void write_rotations(const backend::Step& step);

  std::vector<double> frequency_;  // [d_head / 2] rope_base^(-2 i / d_head)
  std::vector<uint32_t> words_;
};

}  // namespace tercet::wgpu
