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

// Takes two vectors a piece at a time.
class AgreementSum {
 public:
  // The pieces must be of one length.
  void add(std::span<const float> seen, std::span<const float> wanted);
  // Errors: kInvalidArgument if there was nothing, if a NaN or an infinity was in either, and for a zero vector where
  // the other is not zero. Two zero vectors agree fully.
  Result<Agreement> result() const;

 private:
  int64_t n_ = 0;
  int64_t n_not_finite_ = 0;
  double dot_ = 0;
  double seen_mass_ = 0;
  double wanted_mass_ = 0;
  double error_mass_ = 0;
  double largest_error_ = 0;
};

// Two whole vectors. Errors: those of AgreementSum, and kInvalidArgument for unequal lengths.
Result<Agreement> measure(std::span<const float> seen, std::span<const float> wanted);

// How far a distribution of logits strays: Kullback-Leibler divergence of softmax(seen) from softmax(wanted), in nats.
double kl_divergence(std::span<const float> wanted, std::span<const float> seen);

// The logarithm of softmax(logits)[id].
double log_probability(std::span<const float> logits, int64_t id);

// The index of the largest, ties to the lower one.
int64_t argmax(std::span<const float> values);

}  // namespace tercet::trace
