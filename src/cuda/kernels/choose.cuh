// Owns the choice of experts from the router's logits: the k largest, ties to the lower id, a NaN last; the weights are
// softmax renormalised, so its own sum cancels (docs/stages.md#route).
#pragma once

#include "cuda/kernels/device.cuh"

namespace tercet::cuda {

inline constexpr int kGroupThread = 256;

// What logits are ordered by: a NaN counts as -inf, and the two zeros tie.
__device__ __forceinline__ float choice_key(float logit) { return isnan(logit) ? -INFINITY : logit + 0.0F; }

// The weight of lane i's expert, i < k: exp(logit - largest) over the chosen ones' sum. In the lanes behind, nothing.
__device__ __forceinline__ float choice_weight(float logit, float largest, int k) {
  const float e = static_cast<int>(threadIdx.x % 32) < k ? expf(logit - largest) : 0.0F;
  return e / warp_sum(e);
}

// One warp, one row: logit(e) is expert e's. ids and weights: [k], k <= kMaxChoice.
template <class Logit>
__device__ __forceinline__ void choose_experts(Logit&& logit_of, int n_expert, int k, int32_t* ids, float* weights) {
  const int lane = threadIdx.x % 32;
  float chosen = 0;   // lane i: the logit of choice i
  float largest = 0;  // of all
  float last = 0;     // the choice before: what may still be chosen ranks behind it
  int last_id = -1;
  for (int i = 0; i < k; ++i) {
    float best = 0;
    int best_id = n_expert;
    for (int e = lane; e < n_expert; e += 32) {
      const float key = choice_key(logit_of(e));
      if (last_id >= 0 && !(key < last || (key == last && e > last_id))) continue;
      if (best_id == n_expert || key > best) {
        best = key;
        best_id = e;
      }
    }
#pragma unroll
    for (int s = 16; s > 0; s /= 2) {
      const float other = __shfl_xor_sync(kFullWarp, best, s);
      const int other_id = __shfl_xor_sync(kFullWarp, best_id, s);
      const bool better = best_id == n_expert || (other_id != n_expert && (other > best || (other == best && other_id < best_id)));
      if (better) {
        best = other;
        best_id = other_id;
      }
    }
    last = best;
    last_id = best_id;
    const float logit = logit_of(best_id);
    if (i == 0) largest = logit;
    if (lane == i) {
      chosen = logit;
      ids[i] = best_id;
    }
  }
  const float weight = choice_weight(chosen, largest, k);
  if (lane < k) weights[lane] = weight;
}

}  // namespace tercet::cuda
