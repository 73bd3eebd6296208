// Owns the weights on the device: each matrix rearranged into planes whose words the kernels read aligned, and cut into
// ranges of rows where it is larger than a binding may be.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/weights.h"
#include "wgpu/context.h"

namespace tercet::wgpu {

// Columns that kernels take at a time; every matrix has a multiple of them.
inline constexpr int kUnit = 32;

// Where a part's planes begin, in words of 16 bytes (kernels/FORMAT.wgsl says what is in them; the first is at 0).
using Planes = std::array<uint32_t, 3>;

// Rows first_row .. first_row + n_row - 1 of the stack, counted through all of its matrices.
struct Part {
  Buffer buffer;
  int64_t first_row = 0;
  int64_t n_row = 0;
  Planes planes = {};
};

// A stack of matrices [n_mat][rows, cols]. A part of a stack of several holds whole ones.
struct Tensor {
  quant::Type type = quant::Type::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t n_mat = 1;
  std::vector<Part> parts;
};

struct LayerWeights {
  Tensor wq, wk, wv, wo, gate_inp, gate_exps, up_exps, down_exps;
};

// Norm vectors, one after the other at multiples of 256 bytes, in one buffer.
struct Norms {
  Buffer buffer;
  struct Layer {
    uint64_t attn, q, k, ffn;
    uint64_t attn_planar, ffn_planar;  // in planes, as common.wgsl has them
  };
  std::vector<Layer> layers;
  uint64_t output = 0;
};

struct Weights {
  Tensor token_embd, output;  // `output` has no parts where the two are tied
  std::vector<LayerWeights> layers;
  Norms norms;
};

int64_t weight_bytes_on_device(const model::Model& model);

// Errors: kUnsupported for a shape that no kernel takes, or a row (of a stack: a matrix) larger than a binding;
// kOutOfMemory, kDevice; kIo if the file changed.
Result<std::unique_ptr<Weights>> load_weights(Context& context, const model::Model& model, int n_thread,
                                              uint64_t max_binding, const backend::LoadProgress& progress);

}  // namespace tercet::wgpu
