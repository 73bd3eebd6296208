// Owns the way from tensor names to shaped views. Matrices stay quantized in the mapped file; norm vectors are small
// and are expanded to f32 at load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"
#include "model/config.h"
#include "quant/format.h"

namespace tercet::model {

// A stack of row-major matrices in a block format. GGUF's dims are [cols, rows, n_mat].
struct QTensor {
  const quant::Format* format = nullptr;
  const std::byte* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t n_mat = 1;

  int64_t row_bytes() const { return cols / format->block_size * format->block_bytes; }
  int64_t mat_bytes() const { return rows * row_bytes(); }
  const std::byte* row(int64_t r) const { return data + r * row_bytes(); }
  QTensor mat(int64_t m) const { return {format, data + m * mat_bytes(), rows, cols, 1}; }
};

// What a layer is made of.
struct LayerSpec {
  int index = 0;
  std::vector<float> attn_norm;    // [d_model]
  QTensor wq;                      // [n_head * d_head, d_model]
  QTensor wk;                      // [n_head_kv * d_head, d_model]
  QTensor wv;                      // [n_head_kv * d_head, d_model]
  std::vector<float> attn_q_norm;  // [d_head]
  std::vector<float> attn_k_norm;  // [d_head]
  QTensor wo;                      // [d_model, n_head * d_head]
  std::vector<float> ffn_norm;     // [d_model]
  QTensor gate_inp;                // [n_expert, d_model], the router
  QTensor gate_exps;               // [n_expert][d_ff, d_model]
  QTensor up_exps;                 // [n_expert][d_ff, d_model]
  QTensor down_exps;               // [n_expert][d_model, d_ff]
};

struct Model {
  Config config;
  QTensor token_embd;                      // [n_vocab, d_model]
  std::vector<LayerSpec> layers;           // [n_layer]
  std::vector<float> output_norm;          // [d_model]
  QTensor output;                          // [n_vocab, d_model]; token_embd where the file has no output.weight (tied)
  std::shared_ptr<const gguf::File> file;  // what the views look into

  int64_t weight_bytes() const;            // of all tensors
  int64_t active_bytes_per_token() const;  // read for one decoded token, with n_expert_used experts a layer
};

// Errors: read_config's; kCorrupt for a tensor that is missing, unknown or of a wrong shape; kUnsupported for a type.
Result<std::shared_ptr<const Model>> load_model(std::shared_ptr<const gguf::File> file);

}  // namespace tercet::model
