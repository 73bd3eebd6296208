// Owns what the CPU stages hand to each other within a step.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "backend/host_backend.h"
#include "base/thread_pool.h"
#include "cpu/kernels/kernels.h"
#include "model/qwen3_moe.h"

namespace tercet::cpu {

// A buffer of f32 rows together with its prepared forms, each made at most once after set_changed().
class Input {
 public:
  std::vector<float> values;  // [n_row, n_col]

  void resize(int64_t n_row, int64_t n_col) {
    n_row_ = n_row;
    n_col_ = n_col;
    values.resize(static_cast<size_t>(n_row * n_col));
  }
  float* row(int64_t r) { return values.data() + r * n_col_; }
  int64_t n_row() const { return n_row_; }
  int64_t n_col() const { return n_col_; }
  void set_changed() { ready_ = {}; }
  const Activations& as(ActKind kind, const Kernels& kernels, ThreadPool& pool);

 private:
  int64_t n_row_ = 0;
  int64_t n_col_ = 0;
  std::array<Activations, 3> prepared_;  // by ActKind
  std::array<bool, 3> ready_ = {};
};

// y[r, o] = W[o] . x[rows[r]] for all rows o of W.
struct Projection {
  model::QTensor w;
  Input* x;
  std::span<const int32_t> rows;  // rows of x; empty: all of them, in order
  float* y;                       // [n, w.rows]
};

// One step's activations, f32. The stages are its member functions, a file for each.
class Stages {
 public:
  Stages(const model::Config& config, const backend::HostKv& kv, const Kernels& kernels, ThreadPool& pool,
         backend::Precision precision);

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
  void tap(backend::Tap tap, int layer, std::span<const float> values, int64_t width);
  void tap_ids(backend::Tap tap, int layer, std::span<const int32_t> ids, int64_t width);
  void project(std::span<const Projection> jobs);
  void normalise(Input& out, std::span<const float> w);  // h = rms_norm(x), a row at a time
  void add_residual(const float* y);                     // x += y

  void norm_and_rotate(const model::LayerSpec& layer, int row);
  void append_kv(int layer, int row);
  void attend_whole(int layer, int row, int kv_head, float* scratch);
  void attend_in_segments(int layer, int n_row);
  void choose_experts(int row);
  void group_slots_by_expert();
  void sum_slots(int row);

  const model::Config& config_;
  const backend::HostKv& kv_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  const backend::Precision precision_;
  std::vector<double> inverse_frequency_;  // [d_head / 2]

  const backend::Step* step_ = nullptr;
  backend::TraceSink* trace_ = nullptr;
  std::vector<float> cosine_;  // [n_row, d_head / 2]
  std::vector<float> sine_;    // [n_row, d_head / 2]

  std::vector<float> x_;             // [n_row, d_model] the residual stream
  Input h_;                          // [n_row, d_model] its normalised copy
  std::vector<float> q_;             // [n_row, n_head * d_head]
  std::vector<float> k_;             // [n_row, n_head_kv * d_head]
  std::vector<float> v_;             // [n_row, n_head_kv * d_head]
  Input a_;                          // [n_row, n_head * d_head]
  std::vector<float> y_;             // [n_row, d_model]
  std::vector<float> router_;        // [n_row, n_expert]
  std::vector<int32_t> ids_;         // [n_row, n_expert_used]
  std::vector<float> weights_;       // [n_row, n_expert_used]
  std::vector<int32_t> slot_begin_;  // [n_expert + 1] into slot_row_: an expert's slots
  std::vector<int32_t> slot_row_;    // [n_row * n_expert_used] the row of h of each slot, by expert
  std::vector<int32_t> slot_at_;     // [n_row * n_expert_used] where (row, choice) stands in that order
  std::vector<float> gate_;          // [n_row * n_expert_used, d_ff]
  std::vector<float> up_;            // [n_row * n_expert_used, d_ff]
  Input act_;                        // [n_row * n_expert_used, d_ff]
  std::vector<float> down_;          // [n_row * n_expert_used, d_model]
  std::vector<int32_t> slot_iota_;   // 0, 1, ...: an expert's slots are neighbours in act_
  Input head_in_;                    // [n_output, d_model]
  std::vector<float> logits_;        // [n_output, n_vocab]
  std::vector<float> attn_scratch_;  // see attn.cc
  std::vector<Projection> jobs_;
};

}  // namespace tercet::cpu
