// The layouts of tensor.h, on the host: nothing is lost in them, and a kernel finds each weight where it looks.
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>

#include "cuda/testing.h"

namespace tercet::cuda {
namespace {

constexpr uint32_t kSeed = 5;

template <typename T>
T random_bytes(std::mt19937& random) {
  T out;
  auto* bytes = reinterpret_cast<uint8_t*>(&out);
  for (size_t i = 0; i < sizeof out; ++i) bytes[i] = static_cast<uint8_t>(random());
  return out;
}

// Any half but NaN and infinity.
uint16_t random_scale(std::mt19937& random) {
  const auto half = static_cast<uint16_t>(random());
  return (half & 0x7C00) == 0x7C00 ? static_cast<uint16_t>(half ^ 0x4000) : half;
}

template <typename Planes>
void expect_same_weights(const Planes& planes, const float (&wanted)[256], int round) {
  for (const Place& p : all_places()) {
    const float seen = weight_at(planes, p);
    ASSERT_EQ(std::bit_cast<uint32_t>(seen), std::bit_cast<uint32_t>(wanted[p.column()]))
        << "seed " << kSeed << " round " << round << " column " << p.column() << ": " << seen << ", want "
        << wanted[p.column()];
  }
}

// Of the bits that hold the levels each belongs to one column, and none is idle.
template <typename Planes>
void expect_each_bit_counts_once(Planes planes, size_t bits_a_column) {
  std::array<size_t, 256> n_bit{};
  for (size_t bit = 0; bit < planes.quants.size() * 8; ++bit) {
    Planes other = planes;
    other.quants[bit / 8] = static_cast<uint8_t>(other.quants[bit / 8] ^ 1U << bit % 8);
    std::set<int> changed;
    for (const Place& p : all_places())
      if (weight_at(planes, p) != weight_at(other, p)) changed.insert(p.column());
    ASSERT_EQ(changed.size(), 1U) << "bit " << bit;
    ++n_bit[static_cast<size_t>(*changed.begin())];
  }
  for (const size_t n : n_bit) EXPECT_EQ(n, bits_a_column);
}

TEST(Layout, TheCanonicalOrderHasEveryColumnOnce) {
  std::set<int> columns;
  for (const Place& p : all_places()) columns.insert(p.column());
  EXPECT_EQ(columns.size(), 256U);
  EXPECT_EQ(*columns.begin(), 0);
  EXPECT_EQ(*columns.rbegin(), 255);
}

TEST(Layout, Q4KIsInItAsItStands) {
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    auto block = random_bytes<quant::BlockQ4K>(random);
    block.d = random_scale(random);
    block.dmin = random_scale(random);
    float wanted[256];
    quant::Q4_K::dequantize(wanted, block);
    expect_same_weights(block, wanted, round);
  }
}

TEST(Layout, Q6KLosesNothing) {
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    auto block = random_bytes<quant::BlockQ6K>(random);
    block.d = random_scale(random);
    float wanted[256];
    quant::Q6_K::dequantize(wanted, block);
    expect_same_weights(repack(block), wanted, round);
  }
  quant::BlockQ6K ones = random_bytes<quant::BlockQ6K>(random);
  ones.d = quant::float_to_half(1.0F);
  std::memset(ones.scales, 1, sizeof ones.scales);
  expect_each_bit_counts_once(repack(ones), 6);
}

TEST(Layout, Q8LosesNothing) {
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    auto blocks = random_bytes<std::array<quant::BlockQ8_0, 8>>(random);
    float wanted[256];
    for (size_t b = 0; b < 8; ++b) {
      blocks[b].d = random_scale(random);
      quant::Q8_0::dequantize(wanted + 32 * b, blocks[b]);
    }
    expect_same_weights(repack(blocks), wanted, round);
  }
  auto ones = random_bytes<std::array<quant::BlockQ8_0, 8>>(random);
  for (quant::BlockQ8_0& block : ones) block.d = quant::float_to_half(1.0F);
  expect_each_bit_counts_once(repack(ones), 8);
}

}  // namespace
}  // namespace tercet::cuda
