// Every table against sums in double of the definition's values, with derived bounds; against each other to the bit.
#include <algorithm>

#include "cpu/kernels/layout.h"
#include "cpu/kernels/testing.h"
#include "quant/half.h"
#include "quant/q4_k.h"

namespace tercet::cpu {
namespace {

using backend::Precision;
using quant::Type;

constexpr Precision kPrecisions[] = {Precision::kExact, Precision::kHigh, Precision::kFast};

enum class Scales { kOrdinary, kExtreme };

// Where the halves of a block stand that scale it.
std::vector<int> scale_offsets(Type type) {
  switch (type) {
    case Type::kQ4_K: return {0, 2};
    case Type::kQ6_K: return {208};
    case Type::kQ8_0: return {0};
    default: return {};
  }
}

// Rows of weights in a format: every bit of a block random, its scales ordinary or from the edge of what halves hold.
struct Weights {
  const quant::Format* format;
  int64_t n_out, n_col;
  TightBytes bytes;

  Weights(Type type, int64_t out, int64_t col, std::mt19937& random, Scales scales)
      : format(&quant::format_of(type)), n_out(out), n_col(col), bytes(out * row_bytes(), 1) {
    for (int64_t block = 0; block < n_out * n_col / format->block_size; ++block) {
      std::byte* p = bytes.get() + block * format->block_bytes;
      for (int i = 0; i < format->block_bytes; ++i) p[i] = static_cast<std::byte>(random());
      for (const int offset : scale_offsets(type)) set_scale(p + offset, random, scales);
      if (scale_offsets(type).empty()) set_float(p, random);
    }
  }
  int64_t row_bytes() const { return n_col / format->block_size * format->block_bytes; }

  static void set_scale(std::byte* p, std::mt19937& random, Scales scales) {
    std::uniform_real_distribution<float> ordinary(-0.01f, 0.01f);
    constexpr uint16_t kExtremes[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00};
    uint16_t half = quant::float_to_half(ordinary(random));
    if (scales == Scales::kExtreme) half = kExtremes[random() % std::size(kExtremes)];
    std::memcpy(p, &half, sizeof half);
  }
  void set_float(std::byte* p, std::mt19937& random) const {
    const float value = std::normal_distribution<float>()(random);
    format->quantize(p, &value, 1);
  }

  std::vector<float> row(int64_t o) const {
    std::vector<float> w(static_cast<size_t>(n_col));
    format->dequantize(w.data(), bytes.get() + o * row_bytes(), n_col / format->block_size);
    return w;
  }
  // |d * scale * q| + |dmin * min|: what a Q4_K weight is the difference of, since rounding errors go with that.
  std::vector<double> masses(int64_t o) const {
    const std::vector<float> w = row(o);
    std::vector<double> mass(w.size());
    for (size_t i = 0; i < w.size(); ++i) mass[i] = std::fabs(w[i]);
    if (format->type != Type::kQ4_K) return mass;
    for (size_t i = 0; i < w.size(); ++i) {
      quant::BlockQ4K block;
      std::memcpy(&block, bytes.get() + o * row_bytes() + static_cast<int64_t>(i / 256 * sizeof block), sizeof block);
      const quant::ScalesQ4K scales = quant::unpack_scales_q4_k(block.scales);
      const auto sub_block = i % 256 / 32;
      const double low = quant::half_to_float(block.dmin) * static_cast<double>(scales.min[sub_block]);
      mass[i] = std::fabs(w[i] + low) + std::fabs(low);
    }
    return mass;
  }
};

struct Case {
  const Weights& w;
  const Activations& x;
  const std::vector<float>& plain;  // the activations before they were prepared: [x.n_row()][n_col]
};

Activations prepared(const Kernels& k, ActKind kind, const std::vector<float>& x, int64_t n_col) {
  Activations out;
  const int64_t n_row = static_cast<int64_t>(x.size()) / n_col;
  out.resize(kind, n_row, n_col);
  for (int64_t r = 0; r < n_row; ++r) k.prepare(kind, out.row(r), x.data() + r * n_col, n_col);
  return out;
}

// y: [rows][n_out + 3]; what lies outside [begin, end) keeps the poison.
std::vector<float> run(const Kernels& k, const Weights& w, const Activations& x, const std::vector<int32_t>& rows,
                       int64_t begin, int64_t end) {
  const int64_t stride = w.n_out + 3;
  std::vector<float> y(rows.size() * static_cast<size_t>(stride), kPoison);
  k.matmul({w.format, w.bytes.get(), w.row_bytes(), begin, end, &x, rows.data(), static_cast<int>(rows.size()),
            y.data(), stride});
  return y;
}

std::vector<int32_t> first_rows(int64_t n) {
  std::vector<int32_t> rows(static_cast<size_t>(n));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  return rows;
}

// Half a step of the integer that stands for an element (and what rounding x / step in float adds: below 0.005 steps),
// or the threshold below which a group is zero.
double step_error(ActKind kind, const float* x, int64_t n_col, int64_t i) {
  if (kind == ActKind::kF32) return 0;
  const int64_t group = kind == ActKind::kI16 ? 256 : 32;
  const int64_t begin = i / group * group;
  float most = 0;
  for (int64_t j = begin; j < std::min(begin + group, n_col); ++j) most = std::max(most, std::fabs(x[j]));
  return most < kTinyActivation ? kTinyActivation : 0.505 * most / (kind == ActKind::kI16 ? kMaxI16 : kMaxI8);
}

// Roundings on a product's way into the output. kF32: its lane's fused sums, the tree, and the weight's own three.
// Integers: a run's conversion, weight and sum (at most 16 runs), d, dmin, the step's own two, then one sum a group.
double roundings(ActKind kind, int64_t n_col) {
  if (kind == ActKind::kF32) return static_cast<double>(n_col) / 16 + 1 + 4 + 3;
  return 16 + 8 + static_cast<double>(n_col) / 256 + 1;
}

void expect_near_reference(const Case& c, ActKind kind, const std::vector<float>& y, const std::string& what) {
  const int64_t n = c.w.n_col;
  for (int64_t o = 0; o < c.w.n_out; ++o) {
    const std::vector<float> w = c.w.row(o);
    const std::vector<double> mass = c.w.masses(o);
    for (int64_t r = 0; r < c.x.n_row(); ++r) {
      const float* x = c.plain.data() + r * n;
      double want = 0, rounded = 0, stepped = 0;
      for (int64_t i = 0; i < n; ++i) {
        const auto k = static_cast<size_t>(i);
        want += double{w[k]} * x[i];
        const double step = step_error(kind, x, n, i);
        rounded += mass[k] * (std::fabs(x[i]) + step);
        stepped += std::fabs(w[k]) * step;
      }
      const float got = y[static_cast<size_t>(r * (c.w.n_out + 3) + o)];
      if (!std::isfinite(want)) {
        ASSERT_FALSE(std::isfinite(got)) << what << " output " << o << " row " << r << ": " << got;
        continue;
      }
      if (rounded > 1e36) continue;  // may overflow on the way; the tables still have to agree
      const double bound = stepped + 1.001 * roundings(kind, n) * kEps * rounded + static_cast<double>(n) * 0x1p-140;
      ASSERT_LE(std::fabs(got - want), bound)
          << what << " output " << o << " row " << r << ": " << got << ", want " << want;
    }
  }
}

// All that is asked of one shape: each table near the reference, all equal, and any part of the work as in the whole.
void check(Type type, int64_t n_out, int64_t n_col, int64_t n_row, Scales scales, uint32_t seed) {
  std::mt19937 random(seed);
  const Weights w(type, n_out, n_col, random, scales);
  std::vector<float> plain = random_floats(random, n_row * n_col);
  if (scales == Scales::kExtreme) {  // rows of zeros, of tiny and of large values, one outlier
    for (int64_t i = 0; i < n_row * n_col; ++i) {
      constexpr float kFactors[] = {1, 0, 1e-33f, 1e-38f, 1e20f, 1e-6f};
      plain[static_cast<size_t>(i)] *= kFactors[i / n_col % 6];
    }
    for (size_t i = 0; i < plain.size(); i += 97) plain[i] *= 1000;
  }
  for (const Precision precision : kPrecisions) {
    const ActKind kind = act_kind(type, precision);
    std::vector<float> first;
    for (const Kernels* k : usable_kernels()) {
      const std::string what = fmt::format("{} {} {} n_out {} n_col {} n_row {} seed {}", k->name, w.format->name,
                                           backend::precision_name(precision), n_out, n_col, n_row, seed);
      const Activations x = prepared(*k, kind, plain, n_col);
      const std::vector<float> whole = run(*k, w, x, first_rows(n_row), 0, n_out);
      expect_near_reference({w, x, plain}, kind, whole, what);
      if (first.empty()) first = whole;
      expect_same_bits(whole, first, what + " beside " + std::string(usable_kernels().front()->name));

      // A part: some weight rows, and activation rows in any order, some of them twice.
      const int64_t begin = static_cast<int64_t>(random() % static_cast<uint32_t>(n_out));
      const int64_t end = begin + 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(n_out - begin));
      std::vector<int32_t> rows(1 + random() % 5);
      for (int32_t& row : rows) row = static_cast<int32_t>(random() % static_cast<uint32_t>(n_row));
      std::vector<float> want(rows.size() * static_cast<size_t>(n_out + 3), kPoison);
      for (size_t i = 0; i < rows.size(); ++i) {
        for (int64_t o = begin; o < end; ++o) {
          want[i * static_cast<size_t>(n_out + 3) + static_cast<size_t>(o)] =
              whole[static_cast<size_t>(rows[i] * (n_out + 3) + o)];
        }
      }
      expect_same_bits(run(*k, w, x, rows, begin, end), want, what + " in part");
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

std::vector<int64_t> columns(Type type) {
  switch (type) {
    case Type::kQ4_K:
    case Type::kQ6_K: return {256, 512, 1024};
    case Type::kQ8_0: return {32, 224, 256, 288, 544};
    default: return {1, 15, 16, 17, 255, 257};
  }
}

class MatmulTest : public testing::TestWithParam<Type> {};
class IntegerMatmulTest : public testing::TestWithParam<Type> {};

TEST_P(MatmulTest, OddShapes) {
  uint32_t seed = 1;
  for (const int64_t n_col : columns(GetParam())) {
    for (const int64_t n_out : {1, 7, 15, 16, 17, 35}) {
      const int64_t n_row = 1 + static_cast<int64_t>(seed % 9);
      check(GetParam(), n_out, n_col, n_row, Scales::kOrdinary, seed++);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(MatmulTest, AnyNumberOfRows) {
  uint32_t seed = 100;
  for (const int64_t n_row : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 64, 67}) {
    check(GetParam(), 16, columns(GetParam()).back(), n_row, Scales::kOrdinary, seed++);
    if (HasFatalFailure()) return;
  }
}

TEST_P(MatmulTest, ExtremeScalesAndActivations) {
  for (uint32_t seed = 200; seed < 212; ++seed) {
    check(GetParam(), 17, columns(GetParam())[seed % 3], 1 + seed % 7, Scales::kExtreme, seed);
    if (HasFatalFailure()) return;
  }
}

// An element that is not finite spoils its own row of the outputs and no other, in every table.
TEST_P(MatmulTest, NonFiniteActivations) {
  std::mt19937 random(300);
  const int64_t n_col = columns(GetParam()).back();
  const Weights w(GetParam(), 17, n_col, random, Scales::kOrdinary);
  for (const Precision precision : kPrecisions) {
    const ActKind kind = act_kind(GetParam(), precision);
    for (const float bad : {kNan, kInf, -kInf}) {
      const std::vector<float> good = random_floats(random, 5 * n_col);
      std::vector<float> plain = good;
      plain[static_cast<size_t>(3 * n_col + static_cast<int64_t>(random() % static_cast<uint32_t>(n_col)))] = bad;
      for (const Kernels* k : usable_kernels()) {
        const std::vector<float> clean = run(*k, w, prepared(*k, kind, good, n_col), first_rows(5), 0, 17);
        const std::vector<float> y = run(*k, w, prepared(*k, kind, plain, n_col), first_rows(5), 0, 17);
        for (size_t i = 0; i < y.size(); ++i) {
          if (i / 20 == 3 && i % 20 < 17) {
            EXPECT_FALSE(std::isfinite(y[i])) << k->name << " element " << i;
          } else {
            EXPECT_TRUE(same_bits(y[i], clean[i])) << k->name << " element " << i;
          }
        }
      }
    }
  }
}

// The largest sums that integers can meet: every weight and every activation at its limit, all signs alike.
TEST_P(IntegerMatmulTest, LargestSums) {
  std::mt19937 random(400);
  const int64_t n_col = columns(GetParam()).back();
  const Weights w(GetParam(), 16, n_col, random, Scales::kOrdinary);
  const std::vector<int> offsets = scale_offsets(GetParam());
  for (const int fill : {0xff, 0x00, 0x80, 0x7f}) {
    const int64_t n_block = 16 * n_col / w.format->block_size;
    std::memset(w.bytes.get(), fill, static_cast<size_t>(n_block * w.format->block_bytes));
    for (int64_t block = 0; block < n_block; ++block) {
      constexpr uint16_t kHalf = 0x2bff;
      for (const int at : offsets)
        std::memcpy(w.bytes.get() + block * w.format->block_bytes + at, &kHalf, sizeof kHalf);
    }
    for (const float value : {3.0f, -3.0f}) {
      const std::vector<float> plain(static_cast<size_t>(3 * n_col), value);
      for (const Precision precision : {Precision::kHigh, Precision::kFast}) {
        const ActKind kind = act_kind(GetParam(), precision);
        for (const Kernels* k : usable_kernels()) {
          const Activations x = prepared(*k, kind, plain, n_col);
          expect_near_reference({w, x, plain}, kind, run(*k, w, x, first_rows(3), 0, 16),
                                fmt::format("{} fill {} value {}", k->name, fill, value));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

std::string format_name(const testing::TestParamInfo<Type>& info) {
  return std::string(quant::format_of(info.param).name);
}
INSTANTIATE_TEST_SUITE_P(Formats, MatmulTest,
                         testing::Values(Type::kF32, Type::kF16, Type::kBF16, Type::kQ8_0, Type::kQ4_K, Type::kQ6_K),
                         format_name);
INSTANTIATE_TEST_SUITE_P(Formats, IntegerMatmulTest, testing::Values(Type::kQ8_0, Type::kQ4_K, Type::kQ6_K),
                         format_name);

TEST(KernelsTest, EveryFormatHasAKindInEveryMode) {
  for (const quant::Format& format : quant::formats()) {
    EXPECT_EQ(act_kind(format.type, Precision::kExact), ActKind::kF32) << format.name;
    const bool integer = format.type == Type::kQ4_K || format.type == Type::kQ6_K || format.type == Type::kQ8_0;
    EXPECT_EQ(act_kind(format.type, Precision::kHigh), integer ? ActKind::kI16 : ActKind::kF32) << format.name;
    EXPECT_EQ(act_kind(format.type, Precision::kFast), integer ? ActKind::kI8 : ActKind::kF32) << format.name;
  }
}

TEST(KernelsTest, TheGenericTableIsAlwaysThereAndLast) {
  ASSERT_FALSE(usable_kernels().empty());
  EXPECT_EQ(usable_kernels().back()->name, "generic");
  EXPECT_EQ(best_kernels().name, usable_kernels().front()->name);
}

// All tables prepare the same bytes, so that rows prepared by one could be used by another.
TEST(KernelsTest, PreparedRowsHaveTheSameBytes) {
  for (uint32_t seed = 500; seed < 540; ++seed) {
    std::mt19937 random(seed);
    const int64_t n_col = 1 + static_cast<int64_t>(random() % 700);
    std::vector<float> x = random_floats(random, n_col, seed % 2 == 0 ? 1 : 1e-36f);
    if (seed % 5 == 0) x[random() % x.size()] = 1e38f;
    for (const ActKind kind : {ActKind::kF32, ActKind::kI16, ActKind::kI8}) {
      const Activations want = prepared(*usable_kernels().back(), kind, x, n_col);
      for (const Kernels* k : usable_kernels()) {
        const Activations got = prepared(*k, kind, x, n_col);
        const int64_t n_group = (n_col + kGroupCols - 1) / kGroupCols;
        const auto bytes = static_cast<size_t>(
            kind == ActKind::kF32
                ? n_col * 4
                : n_group * static_cast<int64_t>(kind == ActKind::kI16 ? sizeof(BlockI16) : sizeof(BlockI8)));
        EXPECT_EQ(std::memcmp(got.row(0), want.row(0), bytes), 0) << k->name << " seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace tercet::cpu
