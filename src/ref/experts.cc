// experts   contract: docs/stages.md#experts   mirrors: cpu/experts.cc, cuda/experts.cu, wgpu/experts.wgsl
//   y = sum_i w_i down_e(silu(gate_e h) * up_e h), e = ids_i, in slot order; x = x + y
//   h, x, y: [n_row, d_model] f32   gate, up: [n_expert][d_ff, d_model]   down: [n_expert][d_model, d_ff] quantized
//   sum: double, index order, then slot order; the residual is added in f32
#include <cmath>

#include "ref/context.h"

namespace tercet::ref {

using backend::Tap;

void Stages::experts(const model::LayerSpec& layer, const model::Shape& shape) {
  const int64_t d_model = config_.d_model;
  const int k = config_.n_expert_used;
  slot_out_.resize(ids_.size() * static_cast<size_t>(d_model));
  std::vector<std::vector<int32_t>> slots(static_cast<size_t>(config_.n_expert));  // of each expert: row * k + slot
  for (size_t i = 0; i < ids_.size(); ++i) slots[static_cast<size_t>(ids_[i])].push_back(static_cast<int32_t>(i));
  for (int e = 0; e < config_.n_expert; ++e)
    if (!slots[static_cast<size_t>(e)].empty()) run_expert(layer, e, slots[static_cast<size_t>(e)]);

  ffn_.resize(x_.size());
  for (int r = 0; r < shape.n_row; ++r) {
    for (int64_t j = 0; j < d_model; ++j) {
      double sum = 0.0;
      for (int i = 0; i < k; ++i) {
        const int64_t slot = int64_t{r} * k + i;
        sum += double{weights_[static_cast<size_t>(slot)]} * double{slot_out_[static_cast<size_t>(slot * d_model + j)]};
      }
      ffn_[static_cast<size_t>(r * d_model + j)] = static_cast<float>(sum);
    }
  }
  tap(Tap::kFfnMoeOut, layer.index, ffn_, d_model);
  for (size_t i = 0; i < x_.size(); ++i) x_[i] += ffn_[i];
  tap(Tap::kLOut, layer.index, x_, d_model);
}

void Stages::run_expert(const model::LayerSpec& layer, int expert, std::span<const int32_t> slots) {
  const int64_t n = std::ssize(slots);
  const size_t d_model = static_cast<size_t>(config_.d_model);
  const size_t d_ff = static_cast<size_t>(config_.d_ff);
  std::vector<float> in(slots.size() * d_model);
  std::vector<float> gate(slots.size() * d_ff);
  std::vector<float> up(slots.size() * d_ff);
  std::vector<float> out(slots.size() * d_model);
  for (size_t i = 0; i < slots.size(); ++i) {
    const size_t row = static_cast<size_t>(slots[i] / config_.n_expert_used);
    std::copy_n(&h_[row * d_model], d_model, &in[i * d_model]);
  }
  matmul(pool_, gate, layer.gate_exps.mat(expert), in, n);
  matmul(pool_, up, layer.up_exps.mat(expert), in, n);
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    gate[i] = static_cast<float>(g / (1.0 + std::exp(-g)) * double{up[i]});
  }
  matmul(pool_, out, layer.down_exps.mat(expert), gate, n);
  for (size_t i = 0; i < slots.size(); ++i)
    std::copy_n(&out[i * d_model], d_model, &slot_out_[static_cast<size_t>(slots[i]) * d_model]);
}

}  // namespace tercet::ref
