// The CPU's matrix kernels on one core: bytes of weights a second for one row of activations, multiply-adds a second
// for many. Weights are cycled through a set larger than any cache. Names: FORMAT/KIND/TABLE/rows.
//   kernels_bench --benchmark_filter='Q4_K/i16/avx512.*' --benchmark_repetitions=5
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/kernels/kernels.h"
#include "quant/format.h"

namespace tercet::cpu {
namespace {

constexpr int64_t kCols = 2048, kOut = 768;
constexpr int64_t kWorkingSet = int64_t{256} << 20;

const char* kind_name(ActKind kind) { return kind == ActKind::kF32 ? "f32" : kind == ActKind::kI16 ? "i16" : "i8"; }

// Random quantized matrices of kOut rows, back to back, shared by all benchmarks of a format.
const std::vector<std::byte>& weights_of(const quant::Format& format, int64_t n_mat) {
  static std::vector<std::byte> weights;
  static const quant::Format* held = nullptr;
  if (held == &format) return weights;
  held = &format;
  const int64_t row_bytes = kCols / format.block_size * format.block_bytes;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> row(kCols);
  weights.assign(static_cast<size_t>(n_mat * kOut * row_bytes), std::byte{});
  for (int64_t r = 0; r < 64; ++r) {
    for (float& x : row) x = normal(random);
    format.quantize(weights.data() + r * row_bytes, row.data(), kCols / format.block_size);
  }
  for (int64_t r = 64; r < n_mat * kOut; ++r) {
    std::memcpy(weights.data() + r * row_bytes, weights.data() + r % 64 * row_bytes, static_cast<size_t>(row_bytes));
  }
  return weights;
}

void run_matmul(benchmark::State& state, const Kernels& kernels, const quant::Format& format, ActKind kind) {
  const auto n_row = static_cast<int>(state.range(0));
  const int64_t row_bytes = kCols / format.block_size * format.block_bytes;
  const int64_t n_mat = kWorkingSet / (kOut * row_bytes);
  const std::vector<std::byte>& weights = weights_of(format, n_mat);
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  Activations x;
  x.resize(kind, n_row, kCols);
  std::vector<float> plain(kCols), y(static_cast<size_t>(n_row * kOut));
  for (int r = 0; r < n_row; ++r) {
    for (float& v : plain) v = normal(random);
    kernels.prepare(kind, x.row(r), plain.data(), kCols);
  }
  int64_t mat = 0;
  for ([[maybe_unused]] auto _ : state) {
    kernels.matmul(
        {&format, weights.data() + mat * kOut * row_bytes, row_bytes, 0, kOut, &x, nullptr, n_row, y.data(), kOut});
    benchmark::DoNotOptimize(y.data());
    mat = (mat + 1) % n_mat;
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(kOut * row_bytes) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] =
      benchmark::Counter(calls * static_cast<double>(n_row * kOut * kCols) * 1e-9, benchmark::Counter::kIsRate);
}

void run_attend(benchmark::State& state, const Kernels& kernels, backend::KvType type) {
  constexpr int kHead = 128, kPage = 64, kQueries = 8;
  const auto n = static_cast<int>(state.range(0));
  const int n_page = n / kPage;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> row(kHead), q(kHead * kQueries), out(kHead * kQueries), max(kQueries), sum(kQueries);
  for (float& v : q) v = normal(random);
  const auto page_bytes = size_t{kPage} * kHead * static_cast<size_t>(kv_element_bytes(type));
  std::vector<std::byte> memory(2 * static_cast<size_t>(n_page) * page_bytes);
  for (size_t at = 0; at < memory.size(); at += page_bytes / kPage) {
    for (float& v : row) v = normal(random);
    kernels.store_kv(memory.data() + at, type, row.data(), kHead);
  }
  std::vector<const std::byte*> keys, values;
  for (size_t i = 0; i < static_cast<size_t>(n_page); ++i) {
    keys.push_back(memory.data() + 2 * i * page_bytes);
    values.push_back(memory.data() + (2 * i + 1) * page_bytes);
  }
  const KvView kv{type, kPage, kHead, keys.data(), values.data()};
  for ([[maybe_unused]] auto _ : state) {
    kernels.attend(kv, q.data(), kQueries, 0, n, 0.088f, out.data(), max.data(), sum.data());
    benchmark::DoNotOptimize(out.data());
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(memory.size()) * 1e-9, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] = benchmark::Counter(calls * 2e-9 * kHead * kQueries * n, benchmark::Counter::kIsRate);
}

// A plain sum of what is read, as the limit to compare with.
void run_read(benchmark::State& state) {
  const std::vector<uint64_t> data(kWorkingSet / 8, 1);
  uint64_t sum = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (const uint64_t v : data) sum += v;
    benchmark::DoNotOptimize(sum);
  }
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(kWorkingSet) * 1e-9, benchmark::Counter::kIsRate);
}

void register_all() {
  benchmark::RegisterBenchmark("read", run_read);
  for (const quant::Format& format : quant::formats()) {
    for (const backend::Precision precision :
         {backend::Precision::kExact, backend::Precision::kHigh, backend::Precision::kFast}) {
      const ActKind kind = act_kind(format.type, precision);
      if (kind == ActKind::kF32 && precision != backend::Precision::kExact) continue;
      for (const Kernels* k : usable_kernels()) {
        const std::string name = std::string(format.name) + "/" + kind_name(kind) + "/" + std::string(k->name);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [=, &format](benchmark::State& state) { run_matmul(state, *k, format, kind); })
            ->Arg(1)
            ->Arg(2)
            ->Arg(4)
            ->Arg(8)
            ->Arg(32)
            ->Arg(64)
            ->Arg(512);
      }
    }
  }
  for (const Kernels* k : usable_kernels()) {
    for (const backend::KvType type : {backend::KvType::kF32, backend::KvType::kF16}) {
      const std::string name =
          std::string("attend/") + (type == backend::KvType::kF32 ? "f32/" : "f16/") + std::string(k->name);
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { run_attend(state, *k, type); })
          ->Arg(256)
          ->Arg(4096);
    }
  }
}

}  // namespace
}  // namespace tercet::cpu

int main(int argc, char** argv) {
  tercet::cpu::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
