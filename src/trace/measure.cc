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

Result<Agreement> measure(std::span<const float> seen, std::span<const float> wanted) {
  if (seen.size() != wanted.size() || seen.empty())
    return error(Code::kInvalidArgument, "agreement: {} values beside {}, want the same number and at least one",
                 seen.size(), wanted.size());
  double dot = 0;
  double seen_mass = 0;
  double wanted_mass = 0;
  double error_mass = 0;
  Agreement result;
  for (size_t i = 0; i < seen.size(); ++i) {
    const double a = seen[i];
    const double b = wanted[i];
    if (!std::isfinite(a) || !std::isfinite(b))
      return error(Code::kInvalidArgument, "agreement: {} beside {} at {}, want finite values", a, b, i);
    dot += a * b;
    seen_mass += a * a;
    wanted_mass += b * b;
    error_mass += (a - b) * (a - b);
    result.largest_error = std::max(result.largest_error, std::abs(a - b));
  }
  if (seen_mass == 0 && wanted_mass == 0) return Agreement{1.0, 0.0, 0.0};
  if (seen_mass == 0 || wanted_mass == 0)
    return error(Code::kInvalidArgument, "agreement: one vector is zero and the other is not");
  result.cosine = dot / std::sqrt(seen_mass * wanted_mass);
  result.relative_l2 = std::sqrt(error_mass / wanted_mass);
  return result;
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

int64_t argmax(std::span<const float> values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

}  // namespace tercet::trace
