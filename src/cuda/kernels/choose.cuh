// Owns the choice of experts from the router's logits: the k largest, ties to the lower id, a NaN last; the weights are
// softmax renormalised, so its own sum cancels (docs/stages.md#route).
#pragma once

#include "cuda/kernels/device.cuh"

namespace tercet::cuda {

inline constexpr int kGroupThread = 256;

// What logits are ordered by: a NaN counts as -inf, and the two zeros tie.
__device__ __forceinline__ float choice_key(float logit) { return isnan(logit) ? -INFINITY : logit + 0.0F; }

// The same as an integer above 0.
__device__ __forceinline__ uint32_t choice_order(float logit) {
  const uint32_t bits = __float_as_uint(choice_key(logit));
  return bits ^ (bits >> 31 != 0 ? 0xFFFFFFFFU : 0x80000000U);
}

// The lowest of the largest keys' places, place lane + 32 i, in every lane; its key becomes 0. All of the warp.
template <int kPer>
__device__ __forceinline__ int take_largest(uint32_t (&key)[kPer]) {
  const int lane = threadIdx.x % 32;
  uint32_t largest = 0;
#pragma unroll
  for (int i = 0; i < kPer; ++i) largest = max(largest, key[i]);
  largest = __reduce_max_sync(kFullWarp, largest);
  uint32_t place = 0xFFFFFFFFU;
#pragma unroll
  for (int i = kPer - 1; i >= 0; --i) place = key[i] == largest ? lane + 32 * i : place;
  place = __reduce_min_sync(kFullWarp, place);
#pragma unroll
  for (int i = 0; i < kPer; ++i) key[i] = lane + 32 * i == place ? 0U : key[i];
  return static_cast<int>(place);
}

// The place that take_largest gives when it is called for the `rank`-th time, from 0. Each lane orders its own keys first, so
// that a rank costs one reduction and a vote.
template <int kPer>
__device__ __forceinline__ int place_of_rank(uint32_t (&key)[kPer], int rank) {
  const int lane = threadIdx.x % 32;
  if constexpr (kPer > 4) {
    int place = 0;
    for (int i = 0; i <= rank; ++i) place = take_largest<kPer>(key);
    return place;
  } else {
    int place[kPer];
#pragma unroll
    for (int i = 0; i < kPer; ++i) place[i] = lane + 32 * i;
#pragma unroll
    for (int end = kPer - 1; end > 0; --end)
#pragma unroll
      for (int i = 0; i < end; ++i) {
        const bool swaps = key[i] < key[i + 1];  // equal ones keep their order
        const uint32_t low_key = swaps ? key[i] : key[i + 1];
        const int low_place = swaps ? place[i] : place[i + 1];
        key[i] = swaps ? key[i + 1] : key[i];
        place[i] = swaps ? place[i + 1] : place[i];
        key[i + 1] = low_key;
        place[i + 1] = low_place;
      }
    for (;; --rank) {
      const uint32_t largest = __reduce_max_sync(kFullWarp, key[0]);
      const unsigned holders = __ballot_sync(kFullWarp, key[0] == largest);
      int holder = __ffs(static_cast<int>(holders)) - 1;
      if ((holders & (holders - 1)) != 0)  // the lowest place of several
        holder = static_cast<int>(
            __reduce_min_sync(kFullWarp, key[0] == largest ? static_cast<unsigned>(place[0]) : 0xFFFFFFFFU) % 32);
      if (rank == 0) return __shfl_sync(kFullWarp, place[0], holder);
      if (lane != holder) continue;
#pragma unroll
      for (int i = 0; i + 1 < kPer; ++i) {
        key[i] = key[i + 1];
        place[i] = place[i + 1];
      }
      key[kPer - 1] = 0;
    }
  }
}

// The weight of lane i's expert, i < k: exp(logit - largest) over the chosen ones' sum. In the lanes behind, nothing.
__device__ __forceinline__ float choice_weight(float logit, float largest, int k) {
  const float e = static_cast<int>(threadIdx.x % 32) < k ? expf(logit - largest) : 0.0F;
  return e / warp_sum(e);
}

// One warp, one row: logit(e) is expert e's, e < n_expert <= 32 kPer. ids and weights: [k], k <= kMaxChoice.
template <int kPer, class Logit>
__device__ __forceinline__ void choose_experts(Logit&& logit_of, int n_expert, int k, int32_t* ids, float* weights) {
  const int lane = threadIdx.x % 32;
  float logit[kPer];
  uint32_t key[kPer];  // integers in the order of the logits, 0 for who is out of the game
#pragma unroll
  for (int i = 0; i < kPer; ++i) {
    const int e = lane + 32 * i;
    logit[i] = e < n_expert ? logit_of(e) : 0.0F;
    key[i] = e < n_expert ? choice_order(logit[i]) : 0U;
  }
  float chosen = 0;   // lane i: the logit of choice i
  float largest = 0;  // of all
  for (int rank = 0; rank < k; ++rank) {
    const int expert = take_largest<kPer>(key);
    float mine = 0;
#pragma unroll
    for (int i = 0; i < kPer; ++i) mine = lane + 32 * i == expert ? logit[i] : mine;
    const float value = __shfl_sync(kFullWarp, mine, expert % 32);
    if (rank == 0) largest = value;
    if (lane == rank) {
      chosen = value;
      ids[rank] = expert;
    }
  }
  const float weight = choice_weight(chosen, largest, k);
  if (lane < k) weights[lane] = weight;
}

}  // namespace tercet::cuda
