// Owns what the reference stages hand to each other within a step, and the primitives that they share.
#pragma once

#include <span>
#include <vector>

#include "backend/host_backend.h"
#include "base/thread_pool.h"
#include "model/qwen3_moe.h"

namespace tercet::ref {

// One step's activations, f32. The stages are its member functions, a file for each.
class Stages {
 public:
  Stages(const model::Config& config, const backend::HostKv& kv, ThreadPool& pool)
      : config_(config), kv_(kv), pool_(pool) {}

  void begin(const backend::Step& step, backend::TraceSink* trace);

  void embed(const model::Model& model, const model::Shape& shape);
  void attn_in(const model::LayerSpec& layer, const model::Shape& shape);
  void attn(const model::LayerSpec& layer, const model::Shape& shape);
  void attn_out(const model::LayerSpec& layer, const model::Shape& shape);
  void route(const model::LayerSpec& layer, const model::Shape& shape);
  void experts(const model::LayerSpec& layer, const model::Shape& shape);
  void head(const model::Model& model, const model::Shape& shape);

  std::span<const float> logits() const { return logits_; }

 private:
  void tap(backend::Tap tap, int layer, std::span<float> values, int64_t width);
  void tap_ids(backend::Tap tap, int layer, std::span<int32_t> ids, int64_t width);
  void append_kv(int layer);
  void attend_row(int layer, int row);
  void run_expert(const model::LayerSpec& layer, int expert, std::span<const int32_t> slots);

  const model::Config& config_;
  const backend::HostKv& kv_;
  ThreadPool& pool_;
  const backend::Step* step_ = nullptr;
  backend::TraceSink* trace_ = nullptr;

  std::vector<float> x_;         // [n_row, d_model] the residual stream
  std::vector<float> h_;         // [n_row, d_model] its normalised copy
  std::vector<float> q_;         // [n_row, n_head * d_head]
  std::vector<float> k_;         // [n_row, n_head_kv * d_head]
  std::vector<float> v_;         // [n_row, n_head_kv * d_head]
  std::vector<float> a_;         // [n_row, n_head * d_head]
  std::vector<int32_t> ids_;     // [n_row, n_expert_used]
  std::vector<float> weights_;   // [n_row, n_expert_used]
  std::vector<float> slot_out_;  // [n_row, n_expert_used, d_model] each chosen expert's answer
  std::vector<float> ffn_;       // [n_row, d_model]
  std::vector<float> head_in_;   // [n_output, d_model]
  std::vector<float> logits_;    // [n_output, n_vocab]
};

// y[r, o] = sum_i w[o, i] * x[r, i]
//   x: [n_row, w.cols] f32   w: [w.rows, w.cols]   y: [n_row, w.rows] f32   sum: double, index order
void matmul(ThreadPool& pool, std::span<float> y, const model::QTensor& w, std::span<const float> x, int64_t n_row);

// y[r, i] = x[r, i] * w[i] / sqrt(mean_j x[r, j]^2 + eps)
//   x, y: [n_row, dim], may be the same   w: [dim]   sum: double, index order
void rms_norm(std::span<float> y, std::span<const float> x, std::span<const float> w, int64_t n_row, float eps);

// x[i], x[i + d/2] = x[i] cos t - x[i + d/2] sin t, x[i + d/2] cos t + x[i] sin t, with t = position * base^(-2i/d)
//   x: [n_head, d], in place   (RoPE, Su et al. 2021, in GPT-NeoX's pairing)
void rope(std::span<float> x, int64_t d, int position, float base);

}  // namespace tercet::ref
