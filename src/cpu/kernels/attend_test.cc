// Attention against double on what the cache holds, with a derived bound; the tables against each other; segments
// merged.
#include <algorithm>

#include "cpu/kernels/testing.h"
#include "quant/half.h"

namespace tercet::cpu {
namespace {

using backend::KvType;

// Pages in a shuffled order, full of NaN where nothing was stored.
struct Cache {
  KvType type;
  int page_size, d_head;
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> keys, values;

  Cache(KvType kv_type, int size, int dim, int n_position) : type(kv_type), page_size(size), d_head(dim) {
    const size_t n_page = static_cast<size_t>((n_position + size - 1) / size);
    const size_t bytes =
        static_cast<size_t>(size) * static_cast<size_t>(dim) * static_cast<size_t>(kv_element_bytes(type));
    memory.assign(2 * n_page, std::vector<std::byte>(bytes, std::byte{0xff}));
    for (size_t i = 0; i < n_page; ++i) {
      keys.push_back(memory[2 * n_page - 1 - i].data());
      values.push_back(memory[i].data());
    }
  }
  std::byte* at(const std::vector<const std::byte*>& pages, int position) const {
    return const_cast<std::byte*>(pages[static_cast<size_t>(position / page_size)]) +
           position % page_size * d_head * kv_element_bytes(type);
  }
  void store(int position, const std::vector<float>& k, const std::vector<float>& v) const {
    best_kernels().store_kv(at(keys, position), type, k.data(), d_head);
    best_kernels().store_kv(at(values, position), type, v.data(), d_head);
  }
  double load(const std::vector<const std::byte*>& pages, int position, int d) const {
    const std::byte* p = at(pages, position) + d * kv_element_bytes(type);
    if (type == KvType::kF32) {
      float x;
      std::memcpy(&x, p, sizeof x);
      return x;
    }
    uint16_t half;
    std::memcpy(&half, p, sizeof half);
    return quant::half_to_float(half);
  }
  KvView view() const { return {type, page_size, d_head, keys.data(), values.data()}; }
};

struct Output {
  std::vector<float> out, max, sum;
};

Output run(const Kernels& k, const Cache& cache, const float* q, int n_query, int begin, int end, float scale) {
  const auto n = static_cast<size_t>(n_query);
  Output y{std::vector<float>(n * static_cast<size_t>(cache.d_head), kPoison), std::vector<float>(n, kPoison),
           std::vector<float>(n, kPoison)};
  k.attend(cache.view(), q, n_query, begin, end, scale, y.out.data(), y.max.data(), y.sum.data());
  return y;
}

void expect_same(const Output& got, const Output& want, const std::string& what) {
  expect_same_bits(got.out, want.out, what + " out");
  expect_same_bits(got.max, want.max, what + " max");
  expect_same_bits(got.sum, want.sum, what + " sum");
}

// A score is off by d_head + 1 roundings of its mass, and the subtraction of the maximum by one more: a relative error
// of the exponential, which cannot be more than e^delta - 1. Then come the weights' and the sums' own roundings, and
// those of at most one correction a block.
void expect_near_reference(const Cache& cache, const float* q, int n_query, int begin, int end, float scale,
                           const Output& y, const std::string& what) {
  const int d_head = cache.d_head;
  for (int query = 0; query < n_query; ++query) {
    std::vector<double> score;
    double delta = 0;
    for (int p = begin; p < end; ++p) {
      double s = 0, mass = 0;
      for (int d = 0; d < d_head; ++d) {
        const double term = double{q[query * d_head + d]} * cache.load(cache.keys, p, d);
        s += term, mass += std::fabs(term);
      }
      score.push_back(s * scale);
      delta = std::max(delta, ((d_head + 1) * mass * std::fabs(scale) + std::fabs(s * scale)) * kEps);
    }
    const double most = *std::max_element(score.begin(), score.end());
    double sum = 0;
    for (double& s : score) sum += s = std::exp(s - most);
    const double n = end - begin;
    const double relative = std::expm1(4 * delta + 105 * kEps) + (2 * n + 3 * (n / 64 + 2) * 5 + 10) * kEps;
    ASSERT_NEAR(y.max[static_cast<size_t>(query)], most, delta + kEps * std::fabs(most)) << what;
    ASSERT_NEAR(y.sum[static_cast<size_t>(query)], sum, relative * sum) << what;
    for (int d = 0; d < d_head; ++d) {
      double want = 0, mass = 0;
      for (int p = begin; p < end; ++p) {
        const double term = score[static_cast<size_t>(p - begin)] * cache.load(cache.values, p, d);
        want += term, mass += std::fabs(term);
      }
      ASSERT_NEAR(y.out[static_cast<size_t>(query * d_head + d)], want, relative * mass)
          << what << " query " << query << " d " << d;
    }
  }
}

void check(KvType type, int page_size, int d_head, int n_query, int begin, int end, uint32_t seed) {
  std::mt19937 random(seed);
  const Cache cache(type, page_size, d_head, end);
  for (int p = begin; p < end; ++p) cache.store(p, random_floats(random, d_head, 2), random_floats(random, d_head));
  const std::vector<float> q = random_floats(random, n_query * d_head, 2);
  const float scale = 1 / std::sqrt(static_cast<float>(d_head));
  const Output first = run(best_kernels(), cache, q.data(), n_query, begin, end, scale);
  for (const Kernels* k : usable_kernels()) {
    const std::string what = fmt::format("{} type {} page {} d_head {} n_query {} [{}, {}) seed {}", k->name,
                                         static_cast<int>(type), page_size, d_head, n_query, begin, end, seed);
    const Output y = run(*k, cache, q.data(), n_query, begin, end, scale);
    expect_near_reference(cache, q.data(), n_query, begin, end, scale, y, what);
    expect_same(y, first, what);
    const int one = static_cast<int>(random() % static_cast<uint32_t>(n_query));
    const Output alone = run(*k, cache, q.data() + one * d_head, 1, begin, end, scale);
    for (int d = 0; d < d_head; ++d) {
      ASSERT_TRUE(same_bits(alone.out[static_cast<size_t>(d)], y.out[static_cast<size_t>(one * d_head + d)])) << what;
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(AttendTest, OddShapes) {
  uint32_t seed = 1;
  constexpr int kSegments[][2] = {{0, 1},  {0, 15},   {0, 16},    {0, 17},    {3, 64},
                                  {0, 65}, {64, 200}, {100, 129}, {127, 128}, {63, 191}};
  for (const auto& [begin, end] : kSegments) {
    for (const KvType type : {KvType::kF32, KvType::kF16}) {
      constexpr int kHeads[] = {128, 64, 16, 20, 6, 136, 256};
      constexpr int kPages[] = {64, 16, 48, 128};
      check(type, kPages[seed % 4], kHeads[seed % 7], 1 + static_cast<int>(seed % 9), begin, end, seed);
      ++seed;
      if (HasFatalFailure()) return;
    }
  }
  check(KvType::kF16, 64, 64, 70, 0, 70, seed);
}

// Segments put together by their maxima and sums give what one segment gives.
TEST(AttendTest, SegmentsMerge) {
  std::mt19937 random(6);
  constexpr int kHead = 64, kEnd = 333, kCut = 128;
  const Cache cache(KvType::kF16, 64, kHead, kEnd);
  for (int p = 0; p < kEnd; ++p) cache.store(p, random_floats(random, kHead), random_floats(random, kHead));
  const std::vector<float> q = random_floats(random, kHead);
  for (const Kernels* k : usable_kernels()) {
    const Output a = run(*k, cache, q.data(), 1, 0, kCut, 0.125f), b = run(*k, cache, q.data(), 1, kCut, kEnd, 0.125f);
    const float most = std::max(a.max[0], b.max[0]);
    const float weight_a = std::exp(a.max[0] - most), weight_b = std::exp(b.max[0] - most);
    Output merged{std::vector<float>(kHead), {most}, {a.sum[0] * weight_a + b.sum[0] * weight_b}};
    for (size_t d = 0; d < kHead; ++d) merged.out[d] = a.out[d] * weight_a + b.out[d] * weight_b;
    expect_near_reference(cache, q.data(), 1, 0, kEnd, 0.125f, merged, std::string(k->name));
  }
}

TEST(AttendTest, EmptySegment) {
  const Cache cache(KvType::kF32, 16, 32, 16);
  const std::vector<float> q(64, 1.0f);
  for (const Kernels* k : usable_kernels()) {
    const Output y = run(*k, cache, q.data(), 2, 16, 16, 1);
    EXPECT_EQ(y.out, std::vector<float>(64, 0.0f)) << k->name;
    EXPECT_EQ(y.max, std::vector<float>(2, -kInf)) << k->name;
    EXPECT_EQ(y.sum, std::vector<float>(2, 0.0f)) << k->name;
  }
}

// A very large score makes all others vanish, wherever it stands: corrections of zero, none of them NaN.
TEST(AttendTest, OneKeyOutshinesAll) {
  for (const int place : {0, 63, 64, 130, 199}) {
    std::mt19937 random(7);
    const Cache cache(KvType::kF32, 64, 32, 200);
    std::vector<float> chosen;
    for (int p = 0; p < 200; ++p) {
      const std::vector<float> v = random_floats(random, 32);
      if (p == place) chosen = v;
      cache.store(p, std::vector<float>(32, p == place ? 100.0f : -100.0f), v);
    }
    const std::vector<float> q(32, 10.0f);
    for (const Kernels* k : usable_kernels()) {
      const Output y = run(*k, cache, q.data(), 1, 0, 200, 1);
      EXPECT_EQ(y.sum[0], 1) << k->name;
      EXPECT_EQ(y.out, chosen) << k->name << " place " << place;
    }
  }
}

}  // namespace
}  // namespace tercet::cpu
