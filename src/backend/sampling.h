// Owns what sampling means: the definition, on the host, that every device's sampler is held to.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "backend/batch.h"

namespace tercet::backend {

// The generator behind every draw: a bijection of the counter for each key (Philox4x32-10, Salmon et al., SC 2011).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A uniform number in [0, 1) that depends on (seed, counter) alone: the first 53 of the bits that philox4x32 makes of
// the counter, low word first and padded with zeros, under the seed, low word first.
double uniform(uint64_t seed, uint64_t counter);

// Fills `out` from one row of raw logits, [n_vocab]. `last` is the token behind a kLast row, which `request.counts` does
// not hold yet, or -1. Each token stands in `request.counts` at most once.
//
// docs/sampling.md is the long form. Ties go to the lower id everywhere. A NaN logit counts as -inf. Sums are double, in
// id order; only top-p adds from the most probable token down. If the largest logit is not finite, the greedy choice
// among what is allowed decides: the lowest id where all are -inf, and token 0 where nothing is allowed (the caller
// checks its masks).
void sample_row(std::span<const float> logits, const Output& request, TokenId last, OutputResult& out);

}  // namespace tercet::backend
