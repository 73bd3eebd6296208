// Owns what sampling means: the definition, on the host, that every device's sampler is held to.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "backend/batch.h"
#include "backend/sampling_weight.h"

namespace tercet::backend {

// The generator behind every draw: a bijection of the counter for each key (Philox4x32-10, Salmon et al., SC 2011).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// 64 random bits that depend on (seed, counter) alone: the first that philox4x32 makes of the counter, low word first and
// padded with zeros, under the seed, low word first.
uint64_t random_bits(uint64_t seed, uint64_t counter);

// What of a request goes into the arithmetic of a row. The host makes it, once, for all devices.
struct Draw {
  float scale = 0.0F;  // a distance to the largest logit, times this, is an exponent (sampling_weight.h)
  uint32_t top_p = 0;  // in units of 2^-32; kNoTopP: no limit
  uint64_t min_weight = 0;
  uint64_t random = 0;
};
Draw draw_of(const Sampling& sampling, uint64_t random_counter);
float scale_of(float temperature);
// One subtraction and one multiplication in f32, rounded each; then integers (sampling_weight.h). What overflows in them
// has no weight, and a NaN has none. `largest` is finite, or +inf: only its like has a weight then.
uint64_t weight_of(float logit, float largest, float scale);

// The same for the penalties: `positive` and `other` multiply a logit, whichever it is.
struct Penalty {
  float positive = 1.0F;
  float other = 1.0F;
  float frequency = 0.0F;
  float presence = 0.0F;
  // What is subtracted from the logit of a token that was generated so many times.
  float of_output(int n_output) const;
};
bool has_penalty(const Sampling& sampling);
Penalty penalty_of(const Sampling& sampling);

// Logits below 2^-100 that penalties or biases touch are 0, before and after each operation: a device may flush what is
// smaller still.
float settled(float logit);

// ln(softmax(raw)) of any token of a row, from the largest of its logits and the sum of the weights at temperature 1,
// of +inf among them if there is one. With +inf among the logits these share the whole probability.
float log_probability(float logit, float largest, uint64_t sum);

// Fills `out` from one row of raw logits, [n_vocab]: fewer than 2^24. `last` is the token behind a kLast row, which
// `request.counts` does not hold yet, or -1. Each token stands in `request.counts` at most once.
//
// docs/sampling.md is the long form. Ties go to the lower id everywhere. A NaN logit counts as -inf. If the largest logit
// is not finite, the greedy choice among what is allowed decides: the lowest id where all are -inf, and token 0 where
// nothing is allowed (the caller checks its masks).
void sample_row(std::span<const float> logits, const Output& request, TokenId last, OutputResult& out);

}  // namespace tercet::backend
