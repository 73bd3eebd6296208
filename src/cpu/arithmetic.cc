// How much arithmetic the cores do at most: what products are made of, without their memory.
#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "cpu/cpu.h"
#include "cpu/kernels/kernels.h"

namespace tercet::cpu {
namespace {

constexpr double kPassMs = 4;  // beside which waking the threads is nothing
constexpr double kMeasureMs = 200;
constexpr int64_t kPiecesAThread = 8;  // so that the threads end together
constexpr int64_t kMostRounds = int64_t{1} << 40;

}  // namespace

Result<backend::Arithmetic> measure_arithmetic(int /*device*/, int n_thread) {
  ThreadPool pool(n_thread);
  const Kernels& kernels = best_kernels();
  const int64_t n_piece = kPiecesAThread * n_thread;
  std::atomic<bool> is_kept{true};  // what is never used is never computed
  double flops = 0;                 // of a piece
  const auto pass_ms = [&](int64_t n_round) {
    double ignored = 0;
    flops = kernels.dot_products(1, &ignored) * static_cast<double>(n_round);
    const Stopwatch time;
    pool.parallel_for(n_piece, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        double sum = 0;
        kernels.dot_products(n_round, &sum);
        if (sum == 0.5) is_kept = false;  // which no sum of integers is
      }
    });
    return time.elapsed_ms();
  };
  int64_t n_round = 64;
  double best = pass_ms(n_round);
  while (best < kPassMs && n_round < kMostRounds) best = pass_ms(n_round *= 2);
  for (const Stopwatch all; all.elapsed_ms() < kMeasureMs;) best = std::min(best, pass_ms(n_round));
  if (best <= 0 || !is_kept) return error(Code::kDevice, "cpu: {} ms for its arithmetic, want more than none", best);
  return backend::Arithmetic{
      flops * static_cast<double>(n_piece) / (best / 1e3),
      fmt::format("8-bit integer dot products, two for each of --precision high, by {} threads ({})", n_thread,
                  kernels.name)};
}

}  // namespace tercet::cpu
