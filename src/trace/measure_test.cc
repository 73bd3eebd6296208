#include "trace/measure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace tercet::trace {
namespace {

using Values = std::vector<float>;

TEST(Measure, KnownAngles) {
  const auto right_angle = measure(Values{1, 0}, Values{0, 1});
  ASSERT_TRUE(right_angle);
  EXPECT_DOUBLE_EQ(right_angle->cosine, 0);
  EXPECT_DOUBLE_EQ(right_angle->relative_l2, std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(right_angle->largest_error, 1);
  EXPECT_DOUBLE_EQ(measure(Values{-3, 4}, Values{3, -4})->cosine, -1);
  EXPECT_DOUBLE_EQ(measure(Values{0, 0}, Values{0, 0})->cosine, 1);
}

TEST(Measure, RefusesWhatCannotAgree) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(measure(Values{1, nan}, Values{1, 1}));
  EXPECT_FALSE(measure(Values{1, 1}, Values{1, inf}));
  EXPECT_FALSE(measure(Values{0, 0}, Values{1, 1}));
  EXPECT_FALSE(measure(Values{1, 1}, Values{0, 0}));
  EXPECT_FALSE(measure(Values{1}, Values{1, 1}));
  EXPECT_FALSE(measure(Values{}, Values{}));
}

TEST(Measure, KlOfKnownDistributions) {
  const Values half = {0, 0};
  const Values skewed = {static_cast<float>(std::log(3.0)), 0};  // 3/4, 1/4
  EXPECT_NEAR(kl_divergence(half, half), 0, 1e-12);
  EXPECT_NEAR(kl_divergence(skewed, half), 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-7);
  EXPECT_NEAR(log_probability(skewed, 0), std::log(0.75), 1e-7);
  EXPECT_NEAR(log_probability(skewed, 1), std::log(0.25), 1e-7);
  EXPECT_EQ(argmax(Values{1, 3, 3, 2}), 1);
}

}  // namespace
}  // namespace tercet::trace
