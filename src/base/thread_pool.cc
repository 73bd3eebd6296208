#include "base/thread_pool.h"

#include <algorithm>

#include "base/check.h"

namespace tercet {
namespace {

// A decode step is a chain of regions of a few tens of microseconds, so a worker that has just finished spins for a
// while before it sleeps: a futex wake costs about as much as a region. The bound keeps an idle server idle.
constexpr int kSpins = 20'000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_thread) : n_thread_(n_thread) {
  CHECK(n_thread >= 1);
  for (int i = 1; i < n_thread; ++i) workers_.emplace_back([this, i] { worker_main(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::scoped_lock lock(mutex_);
    stop_.store(true);
    state_.fetch_add(kOneJob);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::work(int thread) {
  for (;;) {
    const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= n_) return;
    call_(context_, begin, std::min(begin + grain_, n_), thread);
  }
}

void ThreadPool::run(int64_t n, int64_t grain, Call call, void* context) {
  if (n <= 0) return;
  CHECK(grain >= 1);
  if (n_thread_ == 1 || n <= grain) {
    call(context, 0, n, 0);
    return;
  }
  call_ = call;
  context_ = context;
  n_ = n;
  grain_ = grain;
  next_.store(0, std::memory_order_relaxed);
  // Sequentially consistent on purpose: either a worker that goes to sleep sees the new job, or we see it asleep.
  state_.store((state_.load(std::memory_order_relaxed) + kOneJob) | kOpen);
  if (n_asleep_.load() > 0) {
    {
      const std::scoped_lock lock(mutex_);
    }
    wake_.notify_all();
  }
  work(0);
  state_.fetch_and(~kOpen);
  for (int spin = 0; (state_.load(std::memory_order_acquire) & kWorkerMask) != 0; ++spin) {
    pause();
    // A worker may have lost its core in the middle of a piece; give it ours.
    if (spin > kSpins) std::this_thread::yield();
  }
}

// Counts this worker into the job that `state` showed, if it is still open.
bool ThreadPool::enter(uint64_t state) {
  const uint64_t job = state / kOneJob;
  while ((state & kOpen) != 0 && state / kOneJob == job)
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) return true;
  return false;
}

void ThreadPool::worker_main(int thread) {
  uint64_t seen = 0;  // the last job that this worker looked at
  for (;;) {
    int spin = 0;
    uint64_t state = state_.load(std::memory_order_acquire);
    while (state / kOneJob == seen) {
      if (++spin < kSpins) {
        pause();
      } else {
        std::unique_lock lock(mutex_);
        n_asleep_.fetch_add(1);
        wake_.wait(lock, [&] { return state_.load() / kOneJob != seen; });
        n_asleep_.fetch_sub(1);
      }
      state = state_.load(std::memory_order_acquire);
    }
    if (stop_.load()) return;
    seen = state / kOneJob;
    if (!enter(state)) continue;
    work(thread);
    state_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace tercet
