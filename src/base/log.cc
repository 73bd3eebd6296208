#include "base/log.h"

#include <poll.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <mutex>
#include <vector>

namespace tercet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPattern = "tercet: %l: %v";
constexpr size_t kMaxWaiting = 1024;  // lines
constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::seconds kFarewell{1};

// What the sinks of one thread share.
struct Patience {
  std::atomic<bool> is_ending = false;
  Clock::time_point end;  // once it is ending
  std::atomic<int64_t> n_lost = 0;
};

// Waits for its reader like any other, but can be told to stop waiting.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PatientSink(Patience& patience) : patience_(patience) {}
  // The thread may have written the last line; who comes here only counted its owners down. Behind this lock it is done for certain,
  // and for the thread sanitizer, which does not see into the library, as well.
  ~PatientSink() override { const std::lock_guard lock(mutex_); }
  PatientSink(const PatientSink&) = delete;
  PatientSink& operator=(const PatientSink&) = delete;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    // A pipe that can be written to has room for PIPE_BUF bytes: so many never wait.
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(text.size() - at, PIPE_BUF);
      const ssize_t written = is_writable() ? ::write(STDERR_FILENO, text.data() + at, n) : 0;
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        ++patience_.n_lost;
        return;
      }
      at += static_cast<size_t>(written);
    }
  }
  void flush_() override {}

  bool is_writable() const {
    for (;;) {
      const bool is_ending = patience_.is_ending;
      auto wait = kLook;
      if (is_ending)
        wait = std::max(std::chrono::milliseconds(0),
                        std::chrono::duration_cast<std::chrono::milliseconds>(patience_.end - Clock::now()));
      pollfd stderr_now = {STDERR_FILENO, POLLOUT, 0};
      const int n = ::poll(&stderr_now, 1, static_cast<int>(wait.count()));
      if (n != 0 && !(n < 0 && errno == EINTR)) return true;  // or it fails, which the write will tell
      if (is_ending && n == 0) return false;
    }
  }

  Patience& patience_;
};

}  // namespace

Status init_log(std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  // from_str answers `off` for what it does not know.
  if (parsed == spdlog::level::off && level != "off")
    return error(Code::kInvalidArgument, "--log-level: {}, want trace, debug, info, warn, error or off", level);
  auto logger = std::make_shared<spdlog::logger>("tercet", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern(kPattern);
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

struct LogThread::State {
  Patience patience;
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  std::shared_ptr<spdlog::details::thread_pool> pool =
      std::make_shared<spdlog::details::thread_pool>(kMaxWaiting, /*threads=*/1);
};

LogThread::LogThread() : state_(std::make_unique<State>()) {
  const auto logger = make_logger("tercet", kPattern);
  logger->set_level(state_->before->level());
  spdlog::set_default_logger(logger);
}

LogThread::~LogThread() {
  spdlog::set_default_logger(state_->before);
  state_->patience.end = Clock::now() + kFarewell;
  state_->patience.is_ending = true;
  state_->pool.reset();  // ends when what waits is written or dropped
}

std::shared_ptr<spdlog::logger> LogThread::make_logger(const char* name, const char* pattern) {
  auto out = std::make_shared<spdlog::async_logger>(name, std::make_shared<PatientSink>(state_->patience), state_->pool,
                                                    spdlog::async_overflow_policy::overrun_oldest);
  out->set_pattern(pattern);
  return out;
}

int64_t LogThread::n_dropped() const {
  return static_cast<int64_t>(state_->pool->overrun_counter()) + state_->patience.n_lost;
}

}  // namespace tercet
