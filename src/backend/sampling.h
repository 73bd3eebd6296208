// Owns what sampling means: the definition, on the host, that every device's sampler is held to.
#pragma once

#include <span>

#include "backend/batch.h"

namespace tercet::backend {

// A uniform number in [0, 1) that depends on (seed, counter) alone: 53 bits of a counter-based generator
// (Philox4x32-10, Salmon et al., SC 2011).
double uniform(uint64_t seed, uint64_t counter);

// Fills `out` from one row of raw logits, [n_vocab]. `last` is the token behind a kLast row, which `request.counts` does
// not hold yet, or -1. All sums are double, in id order; ties go to the lower id. If every token is masked or no logit is
// finite, the greedy choice among what is allowed decides, and token 0 when nothing is: the caller checks its masks.
void sample_row(std::span<const float> logits, const Output& request, TokenId last, OutputResult& out);

}  // namespace tercet::backend
