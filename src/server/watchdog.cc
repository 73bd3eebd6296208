#include "server/watchdog.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace tercet::server {

Watchdog::Watchdog(Options options) : options_(std::move(options)) {
  if (options_.limit.count() == 0) return;
  watcher_ = std::thread([this] { watch(); });
  teller_ = std::thread([this] { tell(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  if (teller_.joinable()) teller_.join();
}

// Touches nothing that another thread could hold. What a step takes is the time that this thread has watched it for: a
// process that was stopped meanwhile (Ctrl-Z, a debugger, a laptop that slept) did not hang.
void Watchdog::watch() {
  using Clock = std::chrono::steady_clock;
  const auto look = std::clamp(options_.limit / 20, Milliseconds(1), Milliseconds(1000));
  uint64_t seen = kRest;
  Clock::duration taken{0};
  auto then = Clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, look, [this] { return is_over_; })) {
    const auto now = Clock::now();
    const auto passed = std::min<Clock::duration>(now - then, 2 * look);
    then = now;
    const uint64_t step = step_;
    taken = step == seen && step != kRest ? taken + passed : Clock::duration::zero();
    seen = step;
    taken_ = std::chrono::duration_cast<Milliseconds>(taken);
    const bool is_stuck = taken_ >= options_.limit / 2;
    if (is_stuck != is_stuck_.exchange(is_stuck)) send(is_stuck ? News::kSlow : News::kGoesOn);
    if (taken_ < options_.limit || is_told_) continue;
    send(News::kStuck);
    if (changed_.wait_for(lock, options_.patience, [this] { return is_over_ || is_told_; })) continue;
    if (options_.on_untold) options_.on_untold();
    return;
  }
}

// By the watcher, with the lock.
void Watchdog::send(News news) {
  news_ = news;
  changed_.notify_all();
}

void Watchdog::tell() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_over_ || news_ != News::kNone; });
    if (is_over_) return;
    const News news = std::exchange(news_, News::kNone);
    const Milliseconds taken = taken_;
    lock.unlock();
    switch (news) {
      case News::kNone: break;
      case News::kSlow:
        spdlog::warn("a step has taken {:.1f} s: /health says stuck until it ends",
                     static_cast<double>(taken.count()) / 1000);
        break;
      case News::kGoesOn: spdlog::warn("the step has ended: /health is as it was"); break;
      case News::kStuck: options_.on_stuck(taken); break;
    }
    lock.lock();
    if (news == News::kStuck) is_told_ = true;
    changed_.notify_all();
  }
}

}  // namespace tercet::server
