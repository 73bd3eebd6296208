// The elementwise and row-wise functions against double, with derived bounds, and the tables against each other.
#include <algorithm>

#include "cpu/kernels/testing.h"
#include "quant/half.h"

namespace tercet::cpu {
namespace {

constexpr int64_t kSizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 127, 128, 129, 2048};

// exp() is within two units in the last place; with the sum, the division and the product around it, five are enough.
constexpr double kExpRoundings = 4;

void expect_near(double got, double want, double bound, const std::string& what) {
  ASSERT_LE(std::fabs(got - want), bound) << what << ": " << got << ", want " << want;
}

// Runs `f(table, y)` on a poisoned y for all tables and demands the same bits of all; gives them.
template <typename F>
std::vector<float> same_in_all_tables(int64_t n, const std::string& what, F f) {
  std::vector<float> first;
  for (const Kernels* k : usable_kernels()) {
    std::vector<float> y(static_cast<size_t>(n), kPoison);
    f(*k, y);
    if (first.empty()) first = y;
    expect_same_bits(y, first, what + " " + std::string(k->name));
  }
  return first;
}

TEST(VectorOpsTest, RmsNorm) {
  std::mt19937 random(1);
  for (const int64_t n : kSizes) {
    const std::vector<float> x = random_floats(random, n, 3), w = random_floats(random, n);
    const std::vector<float> y = same_in_all_tables(n, "rms_norm", [&](const Kernels& k, std::vector<float>& out) {
      k.rms_norm(out.data(), x.data(), w.data(), n, 1e-6f);
    });
    double sum = 0;
    for (const float v : x) sum += double{v} * v;
    const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + double{1e-6f});
    for (size_t i = 0; i < y.size(); ++i) {
      const double want = x[i] * scale * w[i];
      // Half of what the sum loses (n / 16 + 5 roundings), then mean, eps, root, inverse and two products.
      expect_near(y[i], want, (static_cast<double>(n) / 32 + 3 + 6) * kEps * std::fabs(want), "rms_norm");
    }
  }
}

TEST(VectorOpsTest, Rope) {
  std::mt19937 random(2);
  for (const int64_t d : {2, 4, 30, 32, 34, 64, 128, 256}) {
    const std::vector<float> x = random_floats(random, d), angle = random_floats(random, d / 2, 100);
    std::vector<float> c, s;
    for (const float a : angle) c.push_back(std::cos(a)), s.push_back(std::sin(a));
    const std::vector<float> y = same_in_all_tables(d, "rope", [&](const Kernels& k, std::vector<float>& out) {
      out = x;
      k.rope(out.data(), c.data(), s.data(), d);
    });
    for (size_t i = 0; i < c.size(); ++i) {
      const double a = x[i], b = x[i + c.size()];
      const double bound = 2 * kEps * (std::fabs(a) + std::fabs(b));
      expect_near(y[i], a * c[i] - b * s[i], bound, "rope");
      expect_near(y[i + c.size()], a * s[i] + b * c[i], bound, "rope");
    }
  }
}

TEST(VectorOpsTest, Swiglu) {
  std::mt19937 random(3);
  for (const int64_t n : kSizes) {
    const std::vector<float> gate = random_floats(random, n, 30), up = random_floats(random, n);
    const std::vector<float> y = same_in_all_tables(n, "swiglu", [&](const Kernels& k, std::vector<float>& out) {
      k.swiglu(out.data(), gate.data(), up.data(), n);
    });
    for (size_t i = 0; i < y.size(); ++i) {
      const double want = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
      expect_near(y[i], want, (kExpRoundings + 4) * kEps * std::fabs(want) + 0x1p-120, "swiglu");
    }
  }
}

// exp() alone, through a softmax of two: 1 / (1 + e^x) = p[0] where p[1] belongs to x, and e^x = p[1] for x < -20.
TEST(VectorOpsTest, ExpOverItsWholeRange) {
  for (int i = 0; i <= 20000; ++i) {
    const float x = -static_cast<float>(i) * (106.0f / 20000);
    const std::vector<float> p = same_in_all_tables(2, "softmax", [&](const Kernels& k, std::vector<float>& out) {
      out = {0, x};
      k.softmax(out.data(), 2);
    });
    const double e = std::exp(double{x});
    expect_near(p[1], e / (1 + e), (kExpRoundings + 3) * kEps * e + 0x1p-149, "softmax of two");
    expect_near(p[0], 1 / (1 + e), (kExpRoundings + 3) * kEps, "softmax of two");
  }
}

TEST(VectorOpsTest, Softmax) {
  std::mt19937 random(4);
  for (const int64_t n : kSizes) {
    for (const float scale : {0.1f, 5.0f, 1000.0f}) {
      const std::vector<float> x = random_floats(random, n, scale);
      const std::vector<float> y = same_in_all_tables(n, "softmax", [&](const Kernels& k, std::vector<float>& out) {
        out = x;
        k.softmax(out.data(), n);
      });
      const double most = *std::max_element(x.begin(), x.end());
      double sum = 0;
      for (const float v : x) sum += std::exp(v - most);
      for (size_t i = 0; i < y.size(); ++i) {
        const double want = std::exp(x[i] - most) / sum;
        // x - max is rounded, which is a relative error of the exponential of eps * |x - max|.
        const double terms =
            static_cast<double>(n) / 16 + 5 + 2 * kExpRoundings + 2 + 2 * std::min(std::fabs(x[i] - most), 105.0);
        expect_near(y[i], want, terms * kEps * want + 0x1p-148, "softmax");
      }
    }
  }
}

TEST(VectorOpsTest, SpecialValues) {
  const auto softmax = [](std::vector<float> x) {
    return same_in_all_tables(static_cast<int64_t>(x.size()), "softmax",
                              [&](const Kernels& k, std::vector<float>& out) {
                                out = x;
                                k.softmax(out.data(), static_cast<int64_t>(out.size()));
                              });
  };
  std::vector<float> y = softmax({-kInf, 1, -kInf, 1});
  EXPECT_EQ(y, (std::vector<float>{0, 0.5f, 0, 0.5f}));
  for (const float v : softmax({1, kNan, 2})) EXPECT_TRUE(std::isnan(v));
  for (const float v : softmax({-kInf, -kInf})) EXPECT_TRUE(std::isnan(v));
  y = softmax({3.4e38f, -3.4e38f});
  EXPECT_EQ(y, (std::vector<float>{1, 0}));

  const std::vector<float> gate = {kInf, -1e38f, 1e38f, kNan, 0, -0.0f, -89, -104}, up(8, 1.0f);
  y = same_in_all_tables(
      8, "swiglu", [&](const Kernels& k, std::vector<float>& out) { k.swiglu(out.data(), gate.data(), up.data(), 8); });
  EXPECT_EQ(y[0], kInf);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], 1e38f);
  EXPECT_TRUE(std::isnan(y[3]));
  EXPECT_EQ(y[4], 0);
}

// Random bit patterns: no promise but that the tables agree and nothing is undefined.
TEST(VectorOpsTest, TablesAgreeOnAnyBits) {
  for (uint32_t seed = 10; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const int64_t n = 2 * (1 + static_cast<int64_t>(random() % 50));
    std::vector<float> a(static_cast<size_t>(n)), b(a.size());
    for (float& v : a) v = std::bit_cast<float>(static_cast<uint32_t>(random()));
    for (float& v : b) v = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const std::string what = fmt::format("seed {}", seed);
    same_in_all_tables(n, what, [&](const Kernels& k, auto& y) { k.swiglu(y.data(), a.data(), b.data(), n); });
    same_in_all_tables(n, what, [&](const Kernels& k, auto& y) { k.rms_norm(y.data(), a.data(), b.data(), n, 1e-6f); });
    same_in_all_tables(n, what,
                       [&](const Kernels& k, auto& y) { y = a, k.rope(y.data(), b.data(), b.data() + n / 2, n); });
    same_in_all_tables(n, what, [&](const Kernels& k, auto& y) { y = b, k.axpy(y.data(), a[0], a.data(), n); });
    for (const Kernels* k : usable_kernels()) {
      std::vector<std::byte> halves(static_cast<size_t>(2 * n));
      k->store_kv(halves.data(), backend::KvType::kF16, a.data(), n);
      for (size_t i = 0; i < a.size(); ++i) {
        uint16_t half;
        std::memcpy(&half, halves.data() + 2 * i, sizeof half);
        EXPECT_TRUE(same_bits(quant::half_to_float(half), quant::half_to_float(quant::float_to_half(a[i]))))
            << k->name << " " << a[i];
      }
    }
  }
}

TEST(VectorOpsTest, AxpyAndStoreKv) {
  std::mt19937 random(5);
  for (const int64_t n : kSizes) {
    const std::vector<float> x = random_floats(random, n), y0 = random_floats(random, n);
    const std::vector<float> y = same_in_all_tables(n, "axpy", [&](const Kernels& k, std::vector<float>& out) {
      out = y0;
      k.axpy(out.data(), 0.7f, x.data(), n);
    });
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], std::fma(0.7f, x[i], y0[i]));
    for (const Kernels* k : usable_kernels()) {
      const TightBytes wide(4 * n, 0), narrow(2 * n, 0);
      k->store_kv(wide.get(), backend::KvType::kF32, x.data(), n);
      EXPECT_EQ(std::memcmp(wide.get(), x.data(), static_cast<size_t>(4 * n)), 0) << k->name;
      k->store_kv(narrow.get(), backend::KvType::kF16, x.data(), n);
      for (size_t i = 0; i < x.size(); ++i) {
        const uint16_t want = quant::float_to_half(x[i]);
        EXPECT_EQ(std::memcmp(narrow.get() + 2 * i, &want, sizeof want), 0) << k->name << " " << x[i];
      }
    }
  }
}

}  // namespace
}  // namespace tercet::cpu
