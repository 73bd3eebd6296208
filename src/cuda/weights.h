// Owns a model's weights in a device's memory: which layout each matrix gets (tensor.h), and the way there from the mapped
// file.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "cuda/memory.h"
#include "cuda/tensor.h"
#include "model/weights.h"

namespace tercet::cuda {

// All pointers are the device's. Shapes: model/weights.h.
struct LayerWeights {
  const float* attn_norm = nullptr;
  const float* attn_q_norm = nullptr;
  const float* attn_k_norm = nullptr;
  const float* ffn_norm = nullptr;
  Tensor wq, wk, wv, wo;
  Tensor gate_inp;
  Tensor gate_exps, up_exps, down_exps;
};

// In `exact` every matrix stays as it is in the file; else each has the layout of its format. token_embd and the routers
// always stay; where token_embd is the output as well and its format has a layout, that is a second copy.
struct Weights {
  Tensor token_embd, output;
  const float* output_norm = nullptr;
  std::vector<LayerWeights> layers;
  DeviceBuffer<uint8_t> memory;  // what they all lie in
};

// Reads the file through pinned buffers, with n_thread threads at most, and rearranges on the device. Beyond
// weight_bytes_on_device() it takes 96 MiB of the device for as long as it runs; of the host's memory 96 MiB and the
// file's pages. Errors: kOutOfMemory, kDevice, kIo if the file changed meanwhile.
Result<std::unique_ptr<Weights>> load_weights(const model::Model& model, backend::Precision precision, int device,
                                              int n_thread, const backend::LoadProgress& progress = {});

// What load_weights allocates and keeps, to the byte.
int64_t weight_bytes_on_device(const model::Model& model, backend::Precision precision);

// The power of two 2^e, e within -14..15, that brings `largest` into [8, 16); 1 for 0.
float scale_up_for(float largest);

}  // namespace tercet::cuda
