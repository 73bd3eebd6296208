// route   contract: docs/stages.md#route   mirrors: ref/route.cc, cuda/route.cu, wgpu/route.wgsl
//   h = rms_norm(x); p = softmax(W h); ids = top-k(p), ties to the lower id; w = p[ids] / sum p[ids]
//   x, h: [n_row, d_model] f32   W: [n_expert, d_model] f32   ids: [n_row, k] i32   w: [n_row, k] f32
//   launch: 32 to 512 experts a piece; then a row a piece     sum: kernels.h's fixed order; the weights in double
//   cost: reads 4 * n_expert * d_model bytes once a step; bandwidth-bound for few rows
#include <algorithm>
#include <cmath>

#include "cpu/context.h"

namespace tercet::cpu {

using backend::Tap;

void Stages::route(const model::LayerSpec& layer, const model::Shape& shape) {
  const int k = config_.n_expert_used;
  normalise(h_, layer.ffn_norm);
  tap(Tap::kFfnNorm, layer.index, h_.values, config_.d_model);

  router_.resize(static_cast<size_t>(shape.n_row) * static_cast<size_t>(config_.n_expert));
  const Projection job = {layer.gate_inp, &h_, {}, router_.data()};
  project({&job, 1});
  ids_.resize(static_cast<size_t>(int64_t{shape.n_row} * k));
  weights_.resize(ids_.size());
  pool_.parallel_for(shape.n_row, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) choose_experts(static_cast<int>(r));
  });
  tap_ids(Tap::kFfnMoeTopk, layer.index, ids_, k);
  tap(Tap::kFfnMoeWeightsNorm, layer.index, weights_, k);
}

// k sweeps: k is small, and each finds the first of the largest, so that ties go to the lower id. A NaN sorts last.
void Stages::choose_experts(int row) {
  const int k = config_.n_expert_used;
  const std::span<float> logits(router_.data() + int64_t{row} * config_.n_expert,
                                static_cast<size_t>(config_.n_expert));
  int32_t* ids = ids_.data() + int64_t{row} * k;
  float* weights = weights_.data() + int64_t{row} * k;
  const auto taken = [&](int32_t e, int n) { return std::find(ids, ids + n, e) != ids + n; };
  const auto key = [&](int32_t e) {
    return std::isnan(logits[static_cast<size_t>(e)]) ? -HUGE_VALF : logits[static_cast<size_t>(e)];
  };
  for (int i = 0; i < k; ++i) {
    int32_t best = -1;
    for (int32_t e = 0; e < config_.n_expert; ++e)
      if ((best < 0 || key(e) > key(best)) && !taken(e, i)) best = e;
    ids[i] = best;
  }
  // Renormalised, softmax's own sum cancels: w_i = exp(l_i - max) / sum over the chosen.
  const double largest = logits[static_cast<size_t>(ids[0])];
  double total = 0.0;
  for (int i = 0; i < k; ++i) total += std::exp(logits[static_cast<size_t>(ids[i])] - largest);
  for (int i = 0; i < k; ++i)
    weights[i] = static_cast<float>(std::exp(logits[static_cast<size_t>(ids[i])] - largest) / total);
}

}  // namespace tercet::cpu
