// Owns the thread that drives the engine, and the queue in front of it: other threads hand requests in and are told of
// every event.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "server/api_error.h"
#include "server/job.h"
#include "server/metrics.h"
#include "server/watchdog.h"

namespace tercet::server {

struct EngineThreadOptions {
  engine::EngineOptions engine;
  int n_parallel = 1;  // sequences that run at once
  int n_queue = 256;   // that may wait beside them
  // What a step may take, and what is done about one that takes longer: called once, from a thread of its own, and what
  // it was told of cannot be waited for. 0: steps are not watched.
  std::chrono::milliseconds watchdog{0};
  std::function<void(const Error&)> on_stuck = {};
  std::function<void()> on_untold = {};  // see Watchdog::Options
};

class EngineThread {
 public:
  // Called from the engine's thread; it must not block.
  using Sink = std::function<void(Event)>;

  // The backend, the tokenizer and the metrics must outlive this. `on_failure` is called once, from the engine's
  // thread, when the backend failed: nothing is served from then on.
  EngineThread(backend::Backend& backend, const tokenizer::Tokenizer& tokenizer, const EngineThreadOptions& options,
               Metrics& metrics, std::function<void(const Error&)> on_failure);
  // Ends the thread; requests that are under way are forgotten.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // All of the requests or none. Any thread. Errors: 429 with Retry-After when the queue is full, 400 for a request
  // that the engine refuses.
  Api<std::vector<engine::RequestId>> submit(std::vector<engine::Request> requests, const Sink& sink,
                                             const std::string& key_name);
  void cancel(engine::RequestId id) { engine_.cancel(id); }

  int64_t n_live() const { return n_live_; }  // requests that have not ended
  int64_t n_running() const { return std::min<int64_t>(n_live_, options_.n_parallel); }
  int64_t n_waiting() const { return std::max<int64_t>(0, n_live_ - options_.n_parallel); }
  int64_t n_step() const { return n_step_; }
  bool is_stuck() const { return watchdog_.is_stuck(); }

 private:
  void run();
  void tell_stuck(std::chrono::milliseconds taken) const;
  engine::Callbacks callbacks(int choice, const Sink& sink, const std::string& key_name);

  const EngineThreadOptions options_;
  const std::string name_;
  const int64_t n_page_;
  Metrics& metrics_;
  std::function<void(const Error&)> on_failure_;
  engine::Engine engine_;
  std::atomic<int64_t> n_live_ = 0;
  std::atomic<int64_t> n_step_ = 0;
  std::atomic<bool> stops_ = false;
  Watchdog watchdog_;
  std::thread thread_;
};

}  // namespace tercet::server
