// Owns the measures of agreement between what a backend computed and what ref did. All sums are double.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"

namespace tercet::trace {

struct Agreement {
  double cosine = 0;         // of the two as vectors
  double relative_l2 = 0;    // |seen - wanted| / |wanted|
  double largest_error = 0;  // max |seen - wanted|
};

// Errors: kInvalidArgument for unequal or zero lengths, for a NaN or an infinity in either, and for a zero vector where
// the other is not zero. Two zero vectors agree fully.
Result<Agreement> measure(std::span<const float> seen, std::span<const float> wanted);

// How far a distribution of logits strays: Kullback-Leibler divergence of softmax(seen) from softmax(wanted), in nats.
double kl_divergence(std::span<const float> wanted, std::span<const float> seen);

// The index of the largest, ties to the lower one.
int64_t argmax(std::span<const float> values);

}  // namespace tercet::trace
