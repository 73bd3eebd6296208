// Owns the forward pass of Qwen3-MoE (Qwen3 Technical Report, 2025; Hugging Face's Qwen3MoeForCausalLM): seven stages,
// the same in every backend. docs/stages.md gives each stage's formula, shapes, taps and bounds.
//
// It is a recorder: it depends on the model and on the step's bucket shape, never on a batch's values, so that a graph
// or a command buffer recorded once serves many steps. Host backends run each stage as it is recorded.
#pragma once

#include <concepts>

#include "model/weights.h"

namespace tercet::model {

// The bucket shape of a step. A backend with no buckets gives the step's own numbers.
struct Shape {
  int n_row = 0;       // tokens
  int n_output = 0;    // rows that go through the head
  int max_length = 0;  // tokens in the longest sequence's KV cache
};

template <typename S>
concept StageSet = requires(S& stages, const Model& model, const LayerSpec& layer, const Shape& shape) {
  { stages.embed(model, shape) } -> std::same_as<void>;
  { stages.attn_in(layer, shape) } -> std::same_as<void>;
  { stages.attn(layer, shape) } -> std::same_as<void>;
  { stages.attn_out(layer, shape) } -> std::same_as<void>;
  { stages.route(layer, shape) } -> std::same_as<void>;
  { stages.experts(layer, shape) } -> std::same_as<void>;
  { stages.head(model, shape) } -> std::same_as<void>;
};

template <StageSet S>
void forward(S& stages, const Model& model, const Shape& shape) {
  stages.embed(model, shape);  // x = token_embd[token]
  for (const LayerSpec& layer : model.layers) {
    stages.attn_in(layer, shape);   // q, k, v = norm and RoPE of W norm(x); k, v go to the KV cache
    stages.attn(layer, shape);      // a = softmax(q K^T / sqrt(d_head)) V, causal, grouped heads
    stages.attn_out(layer, shape);  // x = x + Wo a
    stages.route(layer, shape);     // ids, w = renormalised top-k of softmax(Wr norm(x))
    stages.experts(layer, shape);   // x = x + sum_i w_i down_i(silu(gate_i h) * up_i h)
  }
  stages.head(model, shape);  // logits = Wout norm(x), for the rows that were asked for
}

}  // namespace tercet::model
