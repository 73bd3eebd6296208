#include "trace/measure.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tercet::trace {
namespace {

double log_sum_exp(std::span<const float> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float value : x) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

}  // namespace

void AgreementSum::add(std::span<const float> seen, std::span<const float> wanted) {
  CHECK(seen.size() == wanted.size());
  n_ += std::ssize(seen);
  for (size_t i = 0; i < seen.size(); ++i) {
    const double a = seen[i];
    const double b = wanted[i];
    if (!std::isfinite(a) || !std::isfinite(b)) {
      ++n_not_finite_;
      continue;
    }
    dot_ += a * b;
    seen_mass_ += a * a;
    wanted_mass_ += b * b;
    error_mass_ += (a - b) * (a - b);
    largest_error_ = std::max(largest_error_, std::abs(a - b));
  }
}

Result<Agreement> AgreementSum::result() const {
  if (n_ == 0) return error(Code::kInvalidArgument, "agreement: no values, want at least one");
  if (n_not_finite_ > 0)
    return error(Code::kInvalidArgument, "agreement: {} of {} pairs are not finite, want none", n_not_finite_, n_);
  if (seen_mass_ == 0 && wanted_mass_ == 0) return Agreement{1.0, 0.0, 0.0};
  if (seen_mass_ == 0 || wanted_mass_ == 0)
    return error(Code::kInvalidArgument, "agreement: one vector is zero and the other is not");
  return Agreement{dot_ / std::sqrt(seen_mass_ * wanted_mass_), std::sqrt(error_mass_ / wanted_mass_), largest_error_};
}

Result<Agreement> measure(std::span<const float> seen, std::span<const float> wanted) {
  if (seen.size() != wanted.size())
    return error(Code::kInvalidArgument, "agreement: {} values beside {}, want as many", seen.size(), wanted.size());
  AgreementSum sum;
  sum.add(seen, wanted);
  return sum.result();
}

double kl_divergence(std::span<const float> wanted, std::span<const float> seen) {
  CHECK(wanted.size() == seen.size() && !wanted.empty());
  const double wanted_norm = log_sum_exp(wanted);
  const double seen_norm = log_sum_exp(seen);
  double sum = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double log_p = wanted[i] - wanted_norm;
    const double log_q = seen[i] - seen_norm;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);
}

double log_probability(std::span<const float> logits, int64_t id) {
  return logits[static_cast<size_t>(id)] - log_sum_exp(logits);
}

int64_t argmax(std::span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

}  // namespace tercet::trace
