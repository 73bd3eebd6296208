#include "server/engine_thread.h"

#include <pthread.h>

#include <chrono>

#include "base/clock.h"

namespace tercet::server {
namespace {

constexpr std::chrono::milliseconds kIdle{100};
constexpr int kRetryAfterS = 2;

}  // namespace

EngineThread::EngineThread(backend::Backend& backend, const tokenizer::Tokenizer& tokenizer,
                           const EngineThreadOptions& options, Metrics& metrics,
                           std::function<void(const Error&)> on_failure)
    : options_(options),
      name_(backend.name()),
      n_page_(backend.limits().kv.n_page),
      metrics_(metrics),
      on_failure_(std::move(on_failure)),
      engine_(backend, &tokenizer, options.engine),
      watchdog_({.limit = options.watchdog,
                 .on_stuck = [this](std::chrono::milliseconds taken) { tell_stuck(taken); },
                 .on_untold = options.on_untold}),
      thread_([this] { run(); }) {}

EngineThread::~EngineThread() {
  stops_ = true;
  engine_.cancel(0);  // nobody's number: it only wakes the thread
  thread_.join();
}

void EngineThread::run() {
  ::pthread_setname_np(::pthread_self(), "tercet-engine");  // for debuggers
  metrics_.note_engine(engine_.stats(), n_page_);
  while (!stops_) {
    if (!engine_.wait_for_work(kIdle)) continue;
    watchdog_.begin_step();
    const Result<bool> stepped = engine_.step();
    n_step_.fetch_add(1, std::memory_order_relaxed);
    metrics_.note_engine(engine_.stats(), n_page_);
    metrics_.note_waiting(n_running(), n_waiting());
    if (!stepped || !*stepped) watchdog_.rest();
    if (!stepped) {
      on_failure_(stepped.error());
      return;
    }
  }
}

void EngineThread::tell_stuck(std::chrono::milliseconds taken) const {
  options_.on_stuck({Code::kDevice,
                     fmt::format("backend {}: step {} has taken {:.1f} s with {} requests running and {} waiting, want "
                                 "less than {} s; the device or its driver hangs",
                                 name_, n_step() + 1, static_cast<double>(taken.count()) / 1000, n_running(),
                                 n_waiting(), static_cast<double>(options_.watchdog.count()) / 1000),
                     "--watchdog SECONDS, where steps may take longer"});
}

Api<std::vector<engine::RequestId>> EngineThread::submit(std::vector<engine::Request> requests, const Sink& sink,
                                                         const std::string& key_name) {
  const auto n = static_cast<int64_t>(requests.size());
  const int64_t most = options_.n_parallel + options_.n_queue;
  int64_t live = n_live_;
  do {
    if (live + n > most) {
      metrics_.note_refused("queue_full");
      ApiError full(429,
                    fmt::format("the queue: {} requests wait or run, want at most {}; try again later", live, most),
                    "queue_full");
      full.retry_after_s = kRetryAfterS;
      return tl::make_unexpected(std::move(full));
    }
  } while (!n_live_.compare_exchange_weak(live, live + n));
  std::vector<engine::RequestId> ids;
  for (int64_t i = 0; i < n; ++i) {
    requests[static_cast<size_t>(i)].owner = key_name;
    auto id = engine_.add(std::move(requests[static_cast<size_t>(i)]), callbacks(static_cast<int>(i), sink, key_name));
    if (!id) {
      n_live_ -= n - i;  // those that were taken in count down when they end
      for (const engine::RequestId taken : ids) engine_.cancel(taken);
      return tl::make_unexpected(ApiError(std::move(id).error()));
    }
    ids.push_back(*id);
  }
  return ids;
}

engine::Callbacks EngineThread::callbacks(int choice, const Sink& sink, const std::string& key_name) {
  engine::Callbacks out;
  // Of the token before, in ms since the request was admitted.
  const auto clock = std::make_shared<std::pair<Stopwatch, double>>();
  out.on_token = [this, choice, sink, clock](const engine::TokenEvent& token) {
    const double now = clock->first.elapsed_ms();
    if (token.index == 0) {
      metrics_.note_first_token(now / 1000);
    } else {
      metrics_.note_inter_token((now - clock->second) / 1000);
    }
    clock->second = now;
    Event event;
    event.kind = Event::Kind::kToken;
    event.choice = choice;
    event.text = token.text;
    event.token = token.token;
    event.logprob = token.logprob;
    event.top.assign(token.top.begin(), token.top.end());
    sink(std::move(event));
  };
  out.on_progress = [choice, sink](const engine::Progress& progress) {
    Event event;
    event.kind = Event::Kind::kProgress;
    event.choice = choice;
    event.progress = progress;
    sink(std::move(event));
  };
  out.on_finish = [this, choice, sink, key_name](const engine::Finished& finished) {
    n_live_ -= 1;
    metrics_.note_finished(finished.reason, finished.timings, key_name);
    if (options_.engine.prefix_cache) metrics_.note_cache(finished.timings);
    Event event;
    event.kind = Event::Kind::kFinish;
    event.choice = choice;
    event.text = finished.text;
    event.reason = finished.reason;
    event.stop_string = finished.stop_string;
    if (finished.error) event.error = finished.error->message;
    if (finished.reason == engine::FinishReason::kTimeout) {
      event.is_late = finished.error.has_value();
      event.reason = engine::FinishReason::kLength;  // all that an API has a word for
    }
    event.timings = finished.timings;
    sink(std::move(event));
  };
  return out;
}

}  // namespace tercet::server
