// Owns the eye on the engine's steps: one that takes too long is a device or a driver that hangs, and nothing that waits
// for it ever ends.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace tercet::server {

class Watchdog {
 public:
  // `on_stuck` is called once, from a thread of the watchdog's own, when a step takes `limit`. 0: never.
  Watchdog(std::chrono::milliseconds limit, std::function<void(std::chrono::milliseconds)> on_stuck);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // Before each step, and when none is to follow, by the thread that makes them.
  void begin_step() { began_ = Clock::now().time_since_epoch().count(); }
  void rest() { began_ = kNone; }

  // Whether a step has taken half of the limit: it may still end, but nobody should be sent here. Any thread.
  bool is_stuck() const { return limit_.count() > 0 && step_time() >= limit_ / 2; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::rep kNone = Clock::duration::min().count();

  Clock::duration step_time() const;
  void watch();

  const std::chrono::milliseconds limit_;
  const std::function<void(std::chrono::milliseconds)> on_stuck_;
  std::atomic<Clock::rep> began_ = kNone;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace tercet::server
