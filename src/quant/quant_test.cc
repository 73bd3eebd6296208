#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <vector>

#include "quant/format.h"
#include "quant/half.h"
#include "quant/q4_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"

namespace tercet::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <typename T>
std::vector<T> read_oracle(std::string_view format, std::string_view what) {
  const std::string path = std::string(TERCET_ORACLE_DIR "/quant/").append(format).append(".").append(what);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto n_byte = file ? static_cast<size_t>(file.tellg()) : 0;
  EXPECT_GT(n_byte, 0u) << path;
  std::vector<T> values(n_byte / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(n_byte));
  EXPECT_TRUE(file.good()) << path;
  return values;
}

// The payload of a NaN that arithmetic made depends on the order of its operands, which no standard fixes.
bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

std::vector<float> round_trip(const Format& format, const std::vector<float>& x) {
  const auto n_block = static_cast<int64_t>(x.size()) / format.block_size;
  std::vector<std::byte> blocks(static_cast<size_t>(n_block * format.block_bytes));
  std::vector<float> y(x.size());
  format.quantize(blocks.data(), x.data(), n_block);
  format.dequantize(y.data(), blocks.data(), n_block);
  return y;
}

class EveryFormat : public testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Quant, EveryFormat, testing::ValuesIn(formats().begin(), formats().end()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(EveryFormat, DequantizesToTheBitsOfTheGgufPackage) {
  const Format& format = GetParam();
  const auto blocks = read_oracle<std::byte>(format.name, "blocks");
  const auto want = read_oracle<float>(format.name, "values");
  const auto n_block = static_cast<int64_t>(blocks.size()) / format.block_bytes;
  ASSERT_EQ(static_cast<int64_t>(want.size()), n_block * format.block_size);

  std::vector<float> got(want.size());
  format.dequantize(got.data(), blocks.data(), n_block);
  int64_t n_special = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(same(got[i], want[i])) << "block " << i / static_cast<size_t>(format.block_size) << ", element "
                                       << i % static_cast<size_t>(format.block_size) << ": " << got[i] << ", want "
                                       << want[i];
    n_special += !std::isfinite(want[i]);
  }
  EXPECT_GT(n_special, 0) << "the oracle's extreme scales are missing";
}

TEST_P(EveryFormat, ReadsAndWritesBlocksAtAnyAddress) {
  const Format& format = GetParam();
  std::vector<float> x(static_cast<size_t>(2 * format.block_size));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 7.5f;
  const std::vector<float> want = round_trip(format, x);
  std::vector<std::byte> shifted(static_cast<size_t>(2 * format.block_bytes + 1));
  std::vector<float> got(x.size());
  format.quantize(shifted.data() + 1, x.data(), 2);
  format.dequantize(got.data(), shifted.data() + 1, 2);
  EXPECT_EQ(got, want);
}

TEST_P(EveryFormat, ZerosStayZero) {
  const Format& format = GetParam();
  const std::vector<float> zeros(static_cast<size_t>(format.block_size), 0.0f);
  EXPECT_EQ(round_trip(format, zeros), zeros);
}

TEST_P(EveryFormat, NoBlocksIsNothing) {
  GetParam().dequantize(nullptr, nullptr, 0);
  GetParam().quantize(nullptr, nullptr, 0);
}

// One element that no scale can hold spoils its block, and only that: the sanitizers watch the rest.
TEST_P(EveryFormat, NonFiniteElementsStayNonFinite) {
  const Format& format = GetParam();
  const auto size = static_cast<size_t>(format.block_size);
  for (const float special : {kInfinity, -kInfinity, kNan, -kNan}) {
    std::vector<float> x(3 * size, 0.25f);
    x[size + size / 2] = special;
    const std::vector<float> y = round_trip(format, x);
    for (size_t i = 0; i < size; ++i) {
      EXPECT_TRUE(std::isfinite(y[i]) && std::isfinite(y[2 * size + i]));
      if (size == 1) {
        EXPECT_TRUE(same(y[size], special));
      } else {
        EXPECT_TRUE(std::isnan(y[size + i])) << i;
      }
    }
  }
}

TEST_P(EveryFormat, OverflowIsNeverAWrongNumber) {
  const Format& format = GetParam();
  if (format.type == Type::kF32 || format.type == Type::kBF16) return;
  std::vector<float> x(static_cast<size_t>(format.block_size), 1.0f);
  for (const float huge : {1e9f, -1e9f, std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest()}) {
    x[0] = huge;
    const std::vector<float> y = round_trip(format, x);
    for (size_t i = 0; i < y.size(); ++i) EXPECT_FALSE(std::isfinite(y[i])) << i << ": " << y[i];
  }
}

class EveryGgufQuantizer : public testing::TestWithParam<Type> {};
INSTANTIATE_TEST_SUITE_P(Quant, EveryGgufQuantizer, testing::Values(Type::kF32, Type::kF16, Type::kBF16, Type::kQ8_0),
                         [](const auto& param) { return std::string(format_of(param.param).name); });

TEST_P(EveryGgufQuantizer, QuantizesToTheBytesOfTheGgufPackage) {
  const Format& format = format_of(GetParam());
  const auto x = read_oracle<float>(format.name, "input");
  const auto want = read_oracle<std::byte>(format.name, "quantized");
  const auto n_block = static_cast<int64_t>(x.size()) / format.block_size;
  ASSERT_EQ(static_cast<int64_t>(want.size()), n_block * format.block_bytes);

  std::vector<std::byte> got(want.size());
  format.quantize(got.data(), x.data(), n_block);
  for (int64_t block = 0; block < n_block; ++block) {
    const int64_t at = block * format.block_bytes;
    ASSERT_EQ(std::memcmp(got.data() + at, want.data() + at, static_cast<size_t>(format.block_bytes)), 0)
        << "block " << block << ", first element " << x[static_cast<size_t>(block * format.block_size)];
  }
}

// Blocks that are normal, one-sided, constant, sparse, or have one outlier, over magnitudes from where every scale
// underflows to where an outlier comes near to a half's overflow.
std::vector<std::vector<float>> varied_blocks(int size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> blocks;
  for (int exponent = -46; exponent <= 2; ++exponent) {
    const float magnitude = std::pow(10.0f, static_cast<float>(exponent));
    for (int kind = 0; kind < 6; ++kind) {
      std::vector<float> x(static_cast<size_t>(size));
      for (float& value : x) {
        value = magnitude * normal(random);
        if (kind == 1) value = std::fabs(value);
        if (kind == 2) value = -std::fabs(value);
        if (kind == 3) value = magnitude;
        if (kind == 4 && random() % 50 != 0) value = 0;
      }
      if (kind == 5) x[random() % x.size()] *= 1000;
      blocks.push_back(std::move(x));
    }
  }
  return blocks;
}

// Float rounding on the way from x to a level and back: fewer than 8 operations, each relative to the block's largest
// intermediate, which is at most twice the largest |x|; and what underflows below the least normal float.
float rounding_slack(const std::vector<float>& x) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::fabs(value));
  return 8 * std::numeric_limits<float>::epsilon() * 2 * largest + std::numeric_limits<float>::min();
}

TEST(Quantize, Q8_0IsOffByHalfAStepAndTheHalfsRounding) {
  constexpr uint32_t kSeed = 11;
  for (const auto& x : varied_blocks(Q8_0::kBlockSize, kSeed)) {
    BlockQ8_0 block;
    float y[Q8_0::kBlockSize];
    Q8_0::quantize(block, x.data());
    Q8_0::dequantize(y, block);
    float largest = 0;
    for (const float value : x) largest = std::max(largest, std::fabs(value));
    // The half is within 2^-11 of d, or within half of the least subnormal; each level carries that error.
    const float step = largest / 127;
    const float bound = 0.5f * step + 127 * std::max(step * 0x1p-11f, 0x1p-25f) + rounding_slack(x);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_LE(std::fabs(y[i] - x[i]), bound) << "seed " << kSeed << ", x " << x[i];
  }
}

TEST(Quantize, Q4_KIsOffByHalfAStep) {
  constexpr uint32_t kSeed = 12;
  for (const auto& x : varied_blocks(Q4_K::kBlockSize, kSeed)) {
    BlockQ4K block;
    float y[Q4_K::kBlockSize];
    Q4_K::quantize(block, x.data());
    Q4_K::dequantize(y, block);
    const ScalesQ4K scales = unpack_scales_q4_k(block.scales);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t sub_block = i / Q4_K::kSubBlockSize;
      const float step = half_to_float(block.d) * scales.scale[sub_block];
      ASSERT_LE(std::fabs(y[i] - x[i]), 0.5f * step + rounding_slack(x)) << "seed " << kSeed << ", x " << x[i];
    }
  }
}

TEST(Quantize, Q6_KIsOffByHalfAStep) {
  constexpr uint32_t kSeed = 13;
  for (const auto& x : varied_blocks(Q6_K::kBlockSize, kSeed)) {
    BlockQ6K block;
    float y[Q6_K::kBlockSize];
    Q6_K::quantize(block, x.data());
    Q6_K::dequantize(y, block);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t sub_block = i / Q6_K::kSubBlockSize;
      const float step = half_to_float(block.d) * static_cast<float>(block.scales[sub_block]);
      ASSERT_LE(std::fabs(y[i] - x[i]), 0.5f * step + rounding_slack(x)) << "seed " << kSeed << ", x " << x[i];
    }
  }
}

// Half a step of a coarse grid would satisfy the bounds above; this one says that the grids are fine enough. Of normal
// values a sub-block spans at most about 6 sigma, and uniform rounding costs step / sqrt(12).
TEST(Quantize, NormalValuesKeepTheirSignal) {
  constexpr uint32_t kSeed = 14;
  std::mt19937 random(kSeed);
  std::normal_distribution<float> normal;
  std::vector<float> x(256 * 400);
  for (float& value : x) value = 0.02f * normal(random);
  const auto relative_rms = [&](Type type) {
    const std::vector<float> y = round_trip(format_of(type), x);
    double error = 0;
    double signal = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      error += std::pow(double{y[i]} - double{x[i]}, 2);
      signal += std::pow(double{x[i]}, 2);
    }
    return std::sqrt(error / signal);
  };
  EXPECT_LE(relative_rms(Type::kQ4_K), 6.0 / 15 / std::sqrt(12)) << "seed " << kSeed;
  EXPECT_LE(relative_rms(Type::kQ6_K), 6.0 / 62 / std::sqrt(12)) << "seed " << kSeed;
  EXPECT_LE(relative_rms(Type::kQ8_0), 6.0 / 254 / std::sqrt(12)) << "seed " << kSeed;
}

TEST(Half, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 1u << 16; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    ASSERT_EQ(float_to_half(half_to_float(half)), half);
  }
}

TEST(Half, IsConstexpr) {
  static_assert(half_to_float(0x3c00) == 1.0f);
  static_assert(half_to_float(0x0001) == 0x1p-24f);
  static_assert(float_to_half(65504.0f) == 0x7bff);
  static_assert(float_to_half(65520.0f) == 0x7c00);
  static_assert(float_to_half(0x1p-25f) == 0x0000 && float_to_half(0x1.8p-24f) == 0x0002);
  static_assert(bfloat_to_float(float_to_bfloat(1.0f)) == 1.0f);
}

TEST(Q4_K, ScalesComeBackFromTheirTwelveBytes) {
  constexpr uint32_t kSeed = 15;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 1000; ++round) {
    ScalesQ4K want;
    for (int s = 0; s < 8; ++s) {
      want.scale[s] = random() % 64;
      want.min[s] = random() % 64;
    }
    uint8_t packed[12];
    pack_scales_q4_k(packed, want);
    const ScalesQ4K got = unpack_scales_q4_k(packed);
    ASSERT_EQ(std::memcmp(&got, &want, sizeof want), 0) << "seed " << kSeed << ", round " << round;
  }
}

TEST(Formats, AreFoundByTheirIds) {
  for (const Format& format : formats()) {
    EXPECT_EQ(find_format(static_cast<uint32_t>(format.type)), &format);
    EXPECT_EQ(&format_of(format.type), &format);
  }
  EXPECT_EQ(find_format(static_cast<uint32_t>(Type::kIQ4_XS)), nullptr);
  EXPECT_EQ(find_format(4), nullptr);  // a type that ggml has removed
  EXPECT_EQ(find_format(0xffffffff), nullptr);
}

}  // namespace
}  // namespace tercet::quant
