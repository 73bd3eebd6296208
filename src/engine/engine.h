// Owns the loop that turns requests into answers: it drives one backend with two steps in flight, so that a device
// never waits for the host.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "tokenizer/tokenizer.h"

namespace tercet::engine {

struct EngineOptions {
  int n_vocab = 0;            // of the model; ids below it are valid
  int n_ctx = 0;              // tokens a sequence may have, prompt and output; 0: as many as the backend's pages hold
  int max_active = 0;         // sequences that run at once; 0: as many as the backend has slots
  bool prefix_cache = false;  // what was computed is kept, as pages allow, for prompts that begin alike
};

struct EngineStats {
  int n_active = 0;
  int n_waiting = 0;
  int n_page_free = 0;
  int n_page_cached = 0;       // that the prefix cache alone holds: as good as free
  int64_t n_page_evicted = 0;  // of the prefix cache, since the beginning
  int n_preempted = 0;         // times that a sequence gave its pages back and was computed again
  int n_in_flight = 0;         // steps
  int64_t n_step = 0;
};

// add(), cancel() and wait_for_work() may be called from any thread, everything else from one. A text depends on its
// request alone: not on who else is served, on the number of threads, or on whether it had to wait for pages.
class Engine {
 public:
  // Both must outlive the engine. Without a tokenizer there are tokens and no text, no end tokens and no stop strings.
  // The options must fit the backend's limits.
  Engine(backend::Backend& backend, const tokenizer::Tokenizer* tokenizer, const EngineOptions& options);
  // Waits for the steps in flight. Requests that are not finished are forgotten without a callback.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Errors: check_request()'s, and after a failed step that step's error.
  Result<RequestId> add(Request request, Callbacks callbacks);
  // The request ends with kCancelled at the next step(). Unknown and finished ids are ignored.
  void cancel(RequestId id);

  // Sends a step if there is one to send, and waits for one when two are in flight or none could be sent. False:
  // nothing is left to do. Errors: the backend's; every request has then ended with kError, and the engine is of no
  // more use.
  Result<bool> step();
  Status run_until_idle();
  // Blocks until there may be something for step() to do, at most `timeout`. False: there is not.
  bool wait_for_work(std::chrono::milliseconds timeout);

  int n_ctx() const { return limits_.n_ctx; }
  EngineStats stats() const;

 private:
  struct InFlight {
    backend::Ticket ticket;
    std::vector<Part> parts;
  };

  void take_inbox();
  void end_late();
  Result<bool> submit_next();
  Status wait_oldest();
  bool has_work();

  void take_token(Sequence& sequence, const backend::OutputResult& result);
  void note_progress(const Part& part);
  void finish(Sequence& sequence, FinishReason reason, std::optional<TokenId> stop_token = std::nullopt,
              const Error* error = nullptr);
  void forget_if_gone(Sequence& sequence);
  tl::unexpected<Error> fail(Error error);
  bool is_end(TokenId token) const;

  backend::Backend& backend_;
  const tokenizer::Tokenizer* tokenizer_;
  RequestLimits limits_;
  Scheduler scheduler_;
  std::map<RequestId, std::unique_ptr<Sequence>> sequences_;  // all that are not gone
  std::deque<InFlight> in_flight_;                            // oldest first
  int64_t n_step_ = 0;

  // What other threads leave here; step() takes it.
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::unique_ptr<Sequence>> added_;
  std::vector<RequestId> cancelled_;
  RequestId next_id_ = 1;
  std::optional<Error> failure_;
  bool busy_ = false;  // the last step() left something to do
};

}  // namespace tercet::engine
