#include "cli/bandwidth.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/memory.h"

namespace tercet::cli {
namespace {

constexpr double kMeasureMs = 300;
constexpr int64_t kSmallestBuffer = int64_t{256} << 20;
constexpr int64_t kLargestBuffer = int64_t{1} << 30;
constexpr int64_t kPiece = int64_t{1} << 20;  // what a thread takes at a time

// A multiple of the last-level cache that the system knows of, but no more than a quarter of what is free.
int64_t buffer_bytes() {
  const int64_t l3 = std::max<int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
  int64_t bytes = std::clamp(4 * l3, kSmallestBuffer, kLargestBuffer);
  const int64_t available = memory_available();
  if (available > 0) bytes = std::min(bytes, available / 4);
  return bytes / kPiece * kPiece;
}

// Eight sums at a time, each an independent chain, so that reading and not adding is what takes the time.
uint64_t sum(const uint64_t* x, int64_t n) {
  std::array<uint64_t, 8> sums = {};
  for (int64_t i = 0; i + 8 <= n; i += 8)
    for (size_t j = 0; j < 8; ++j) sums[j] += x[i + static_cast<int64_t>(j)];
  uint64_t total = 0;
  for (const uint64_t s : sums) total += s;
  return total;
}

bool computes_on_host(const backend::DeviceInfo& device) {
  return device.kind == backend::DeviceKind::kCpu || device.kind == backend::DeviceKind::kSoftware;
}

}  // namespace

double measure_read_bandwidth(ThreadPool& pool) {
  const int64_t bytes = buffer_bytes();
  if (bytes <= 0) return 0;
  const auto n_byte = static_cast<size_t>(bytes);
  void* memory = ::mmap(nullptr, n_byte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  ::madvise(memory, n_byte, MADV_HUGEPAGE);
  auto* words = static_cast<uint64_t*>(memory);

  constexpr int64_t kWordsAPiece = kPiece / int64_t{sizeof(uint64_t)};
  const int64_t n_piece = bytes / kPiece;
  // Written by the threads that will read it, so that a machine of several memories spreads it. Untouched pages are all
  // the same page of zeros, which a cache holds.
  pool.parallel_for(n_piece, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin * kWordsAPiece; i < end * kWordsAPiece; ++i) words[i] = static_cast<uint64_t>(i);
  });

  std::atomic<uint64_t> kept{0};  // what is never used is never computed
  double best_ms = 0;
  const Stopwatch all;
  do {
    const Stopwatch pass;
    pool.parallel_for(n_piece, 1, [&](int64_t begin, int64_t end, int) {
      kept.fetch_add(sum(words + begin * kWordsAPiece, (end - begin) * kWordsAPiece), std::memory_order_relaxed);
    });
    const double ms = pass.elapsed_ms();
    best_ms = best_ms == 0 ? ms : std::min(best_ms, ms);
  } while (all.elapsed_ms() < kMeasureMs);
  ::munmap(memory, n_byte);
  // The compiler cannot know that the sum of these words is not zero.
  return kept.load() == 0 || best_ms <= 0 ? 0 : static_cast<double>(bytes) / (best_ms / 1000);
}

bool has_own_bandwidth(const BackendEntry& entry, const backend::DeviceInfo& device) {
  return entry.read_bandwidth != nullptr && !computes_on_host(device) && device.why_not.empty();
}

Result<double> read_bandwidth_of(const BackendEntry& entry, const backend::DeviceInfo& device, int n_thread) {
  if (has_own_bandwidth(entry, device)) return entry.read_bandwidth(device.index);
  if (!computes_on_host(device)) return 0;
  ThreadPool pool(n_thread);
  return measure_read_bandwidth(pool);
}

}  // namespace tercet::cli
