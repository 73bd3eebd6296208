// Owns the eye on the engine's steps: one that takes too long is a device or a driver that hangs, and nothing that waits
// for it ever ends.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace tercet::server {

class Watchdog {
 public:
  using Milliseconds = std::chrono::milliseconds;

  struct Options {
    Milliseconds limit{0};  // what a step may take; 0: any time
    // Called once, from a thread of its own, when a step takes `limit`.
    std::function<void(Milliseconds taken)> on_stuck = {};
    // Called once, from another thread, when `on_stuck` has not returned within `patience`: the thread that hangs may
    // hold what `on_stuck` waits for, the allocator's lock or the log's. So this may neither allocate nor lock.
    std::function<void()> on_untold = {};
    Milliseconds patience{10'000};
  };

  explicit Watchdog(Options options);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Before each step, and when none is to follow, by the thread that makes them.
  void begin_step() { step_.store(++n_begun_, std::memory_order_relaxed); }
  void rest() { step_.store(kRest, std::memory_order_relaxed); }

  // Whether a step has taken half of the limit: it may still end, but nobody should be sent here. Any thread.
  bool is_stuck() const { return is_stuck_; }

 private:
  static constexpr uint64_t kRest = 0;
  enum class News { kNone, kSlow, kGoesOn, kStuck };

  void watch();
  void tell();
  void send(News news);

  const Options options_;
  uint64_t n_begun_ = 0;  // of the thread that makes the steps
  std::atomic<uint64_t> step_ = kRest;
  std::atomic<bool> is_stuck_ = false;
  // The lock is held for moments only, and by neither of the two threads while it tells anybody.
  std::mutex mutex_;
  std::condition_variable changed_;
  News news_ = News::kNone;
  Milliseconds taken_{0};
  bool is_told_ = false;
  bool is_over_ = false;
  std::thread watcher_, teller_;
};

}  // namespace tercet::server
