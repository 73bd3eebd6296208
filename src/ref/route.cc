// route   contract: docs/stages.md#route   mirrors: cpu/route.cc, cuda/route.cu, wgpu/route.wgsl
//   h = rms_norm(x); p = softmax(W h); ids = top-k(p), ties to the lower id; w = p[ids] / sum p[ids]
//   x, h: [n_row, d_model] f32   W: [n_expert, d_model] f32   ids: [n_row, k] i32   w: [n_row, k] f32
//   sum: double, index order
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ref/context.h"

namespace tercet::ref {

using backend::Tap;

void Stages::route(const model::LayerSpec& layer, const model::Shape& shape) {
  const int64_t n_row = shape.n_row;
  const int64_t n_expert = config_.n_expert;
  const int64_t k = config_.n_expert_used;
  rms_norm(h_, x_, layer.ffn_norm, n_row, config_.rms_eps);
  tap(Tap::kFfnNorm, layer.index, h_, config_.d_model);

  std::vector<float> p(static_cast<size_t>(n_row * n_expert));
  matmul(pool_, p, layer.gate_inp, h_, n_row);
  ids_.resize(static_cast<size_t>(n_row * k));
  weights_.resize(ids_.size());
  std::vector<int32_t> order(static_cast<size_t>(n_expert));
  for (int64_t r = 0; r < n_row; ++r) {
    // The order of softmax is the order of the logits; a NaN sorts last.
    const float* logits = &p[static_cast<size_t>(r * n_expert)];
    const auto key = [&](int32_t e) { return std::isnan(logits[e]) ? -HUGE_VALF : logits[e]; };
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return key(a) > key(b); });
    std::copy_n(order.begin(), k, &ids_[static_cast<size_t>(r * k)]);
  }
  tap_ids(Tap::kFfnMoeTopk, layer.index, ids_, k);

  for (int64_t r = 0; r < n_row; ++r) {
    const float* logits = &p[static_cast<size_t>(r * n_expert)];
    const int32_t* ids = &ids_[static_cast<size_t>(r * k)];
    // Renormalised, softmax's own sum cancels: w_i = exp(l_i - max) / sum over the chosen.
    const double largest = *std::max_element(logits, logits + n_expert);
    double total = 0.0;
    for (int i = 0; i < k; ++i) total += std::exp(logits[ids[i]] - largest);
    for (int i = 0; i < k; ++i)
      weights_[static_cast<size_t>(r * k + i)] = static_cast<float>(std::exp(logits[ids[i]] - largest) / total);
  }
  tap(Tap::kFfnMoeWeightsNorm, layer.index, weights_, k);
}

}  // namespace tercet::ref
