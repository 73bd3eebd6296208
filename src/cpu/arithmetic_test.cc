// What the roof of arithmetic is measured with does all that it is counted for.
#include <gtest/gtest.h>

#include "cpu/cpu.h"
#include "cpu/kernels/kernels.h"

namespace tercet::cpu {
namespace {

TEST(Arithmetic, DoesWhatItCounts) {
  for (const Kernels* k : usable_kernels()) {
    for (const int n_round : {1, 7}) {
      double sum = 0;
      const double flops = k->dot_products(n_round, &sum);
      EXPECT_GT(flops, 0) << k->name;
      // A multiplication and an addition are 3 * 5, once for each of two planes.
      EXPECT_EQ(sum, 15 * 2 * flops / 2) << k->name << ", " << n_round << " rounds";
    }
  }
}

TEST(Arithmetic, IsMeasuredAndSaysWhatItIs) {
  const auto measured = measure_arithmetic(0, 1);
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_GT(measured->flops_per_second, 1e7);
  EXPECT_LT(measured->flops_per_second, 1e13) << "by one core";
  EXPECT_NE(measured->what.find(best_kernels().name), std::string::npos) << measured->what;
}

}  // namespace
}  // namespace tercet::cpu
