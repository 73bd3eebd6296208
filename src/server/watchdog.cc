#include "server/watchdog.h"

#include <algorithm>

#include "base/log.h"

namespace tercet::server {

Watchdog::Watchdog(std::chrono::milliseconds limit, std::function<void(std::chrono::milliseconds)> on_stuck)
    : limit_(limit), on_stuck_(std::move(on_stuck)) {
  if (limit_.count() > 0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Watchdog::Clock::duration Watchdog::step_time() const {
  const Clock::rep began = began_;
  return began == kNone ? Clock::duration::zero() : Clock::now().time_since_epoch() - Clock::duration(began);
}

void Watchdog::watch() {
  const auto look = std::clamp(limit_ / 20, std::chrono::milliseconds(1), std::chrono::milliseconds(1000));
  bool was_stuck = false;
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, look, [this] { return is_over_; })) {
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(step_time());
    if (taken >= limit_) {
      lock.unlock();
      on_stuck_(taken);
      return;
    }
    if (is_stuck() != was_stuck) {
      was_stuck = !was_stuck;
      if (was_stuck) {
        spdlog::warn("a step has taken {:.1f} s: /health says stuck until it ends",
                     static_cast<double>(taken.count()) / 1000);
      } else {
        spdlog::warn("the step has ended: /health is as it was");
      }
    }
  }
}

}  // namespace tercet::server
