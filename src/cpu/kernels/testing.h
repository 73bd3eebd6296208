// Owns what the kernels' tests share: comparison to the bit, random inputs, buffers without room to spare.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/kernels/kernels.h"

namespace tercet::cpu {

inline constexpr double kEps = 0x1p-24;  // half a unit in the last place of 1.0f
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kPoison = -1.2345e30f;

// Each NaN is like any other.
inline bool same_bits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

inline void expect_same_bits(const std::vector<float>& got, const std::vector<float>& want, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(same_bits(got[i], want[i])) << what << ": element " << i << " is " << got[i] << ", want " << want[i];
  }
}

inline std::vector<float> random_floats(std::mt19937& random, int64_t n, float scale = 1) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = normal(random);
  return v;
}

// Heap memory of exactly n bytes behind `skip` unused ones: misaligned, and a sanitizer sees the first byte beyond.
class TightBytes {
 public:
  TightBytes(int64_t n, int64_t skip) : data_(new std::byte[static_cast<size_t>(n + skip)]), skip_(skip) {}
  std::byte* get() const { return data_.get() + skip_; }

 private:
  std::unique_ptr<std::byte[]> data_;
  int64_t skip_;
};

}  // namespace tercet::cpu
