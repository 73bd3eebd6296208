#include "engine/engine.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "engine/step_batch.h"

namespace tercet::engine {
namespace {

constexpr size_t kMaxInFlight = 2;  // the seam allows no more

RequestLimits limits_of(const backend::Limits& limits, const EngineOptions& options, bool has_text) {
  const int64_t n_position = int64_t{limits.kv.n_page} * limits.kv.page_size;
  const int n_ctx_max = static_cast<int>(std::min<int64_t>(n_position, std::numeric_limits<int>::max()));
  const int n_ctx = options.n_ctx == 0 ? n_ctx_max : options.n_ctx;
  CHECK(options.n_vocab > 0 && n_ctx > 0 && n_ctx <= n_ctx_max);
  return {options.n_vocab, n_ctx, has_text};
}

}  // namespace

Engine::Engine(backend::Backend& backend, const tokenizer::Tokenizer* tokenizer, const EngineOptions& options)
    : backend_(backend),
      tokenizer_(tokenizer),
      limits_(limits_of(backend.limits(), options, tokenizer != nullptr)),
      scheduler_(backend.limits(), options.max_active == 0 ? backend.limits().max_sequence : options.max_active,
                 options.prefix_cache) {}

Engine::~Engine() {
  backend::StepResult dropped;
  for (const InFlight& step : in_flight_) {
    if (!backend_.wait(step.ticket, dropped)) break;
  }
}

Result<RequestId> Engine::add(Request request, Callbacks callbacks) {
  RETURN_IF_ERROR(check_request(request, limits_));
  auto sequence = std::make_unique<Sequence>(0, std::move(request), std::move(callbacks), tokenizer_, limits_.n_ctx);
  const std::lock_guard lock(mutex_);
  if (failure_) return tl::make_unexpected(*failure_);
  const RequestId id = sequence->id = next_id_++;
  added_.push_back(std::move(sequence));
  arrived_.notify_all();
  return id;
}

void Engine::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(id);
  arrived_.notify_all();
}

bool Engine::wait_for_work(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return arrived_.wait_for(lock, timeout, [&] { return busy_ || !added_.empty() || !cancelled_.empty(); });
}

Status Engine::run_until_idle() {
  for (bool more = true; more;) {
    ASSIGN_OR_RETURN(more, step());
  }
  return {};
}

Result<bool> Engine::step() {
  take_inbox();
  if (failure_) return tl::make_unexpected(*failure_);  // only this thread writes it
  end_late();
  bool sent = false;
  if (in_flight_.size() < kMaxInFlight) {
    auto submitted = submit_next();
    if (!submitted) return fail(std::move(submitted).error());
    sent = *submitted;
  }
  if (in_flight_.size() == kMaxInFlight || (!sent && !in_flight_.empty())) {
    Status waited = wait_oldest();
    if (!waited) return fail(std::move(waited).error());
  }
  return has_work();
}

bool Engine::has_work() {
  const std::lock_guard lock(mutex_);
  busy_ = !sequences_.empty() || !in_flight_.empty();
  return busy_ || !added_.empty() || !cancelled_.empty();
}

void Engine::take_inbox() {
  std::vector<std::unique_ptr<Sequence>> added;
  std::vector<RequestId> cancelled;
  {
    const std::lock_guard lock(mutex_);
    added.swap(added_);
    cancelled.swap(cancelled_);
  }
  for (auto& sequence : added) {
    scheduler_.enqueue(*sequence);
    sequences_.emplace(sequence->id, std::move(sequence));
  }
  for (const RequestId id : cancelled) {
    const auto it = sequences_.find(id);
    if (it == sequences_.end() || it->second->place.state == Placement::State::kDone) continue;
    finish(*it->second, FinishReason::kCancelled);
    forget_if_gone(*it->second);
  }
}

// Those whose time is over, waiting or running.
void Engine::end_late() {
  std::vector<Sequence*> late;
  for (const auto& [id, sequence] : sequences_) {
    const double limit_ms = sequence->request.time_limit_ms;
    if (limit_ms > 0 && sequence->place.state != Placement::State::kDone && sequence->clock.elapsed_ms() >= limit_ms)
      late.push_back(sequence.get());
  }
  for (Sequence* sequence : late) {
    const Error nothing{Code::kCancelled,
                        fmt::format("time: {:.1f} s and no token yet, want it sooner, or a longer limit",
                                    sequence->clock.elapsed_ms() / 1000),
                        ""};
    finish(*sequence, FinishReason::kTimeout, std::nullopt, sequence->n_output() == 0 ? &nothing : nullptr);
    forget_if_gone(*sequence);
  }
}

// False if there is nothing to send.
Result<bool> Engine::submit_next() {
  std::vector<Part> parts = scheduler_.plan();
  if (parts.empty()) {
    CHECK(sequences_.empty() || !in_flight_.empty());  // somebody can always go on
    return false;
  }
  const StepBatch batch(parts);
  auto ticket = backend_.submit(batch.batch(), nullptr);
  if (!ticket) {
    for (const Part& part : parts) scheduler_.give_up(part);
    return tl::make_unexpected(std::move(ticket).error());
  }
  for (const Part& part : parts) {
    Sequence& sequence = *part.sequence;
    if (!sequence.start_ms) sequence.start_ms = sequence.clock.elapsed_ms();
  }
  in_flight_.push_back({*ticket, std::move(parts)});
  ++n_step_;
  return true;
}

Status Engine::wait_oldest() {
  backend::StepResult result;
  RETURN_IF_ERROR(backend_.wait(in_flight_.front().ticket, result));
  const InFlight step = std::move(in_flight_.front());
  in_flight_.pop_front();

  size_t n_output = 0;
  for (const Part& part : step.parts) {
    Sequence& sequence = *part.sequence;
    scheduler_.complete(part);
    const backend::OutputResult* output = nullptr;
    if (part.draws) {
      CHECK(n_output < result.outputs.size());
      output = &result.outputs[n_output++];
    }
    if (sequence.place.state != Placement::State::kDone) {
      note_progress(part);
      if (output != nullptr) take_token(sequence, *output);
    }  // else it was computed past the end: dropped
    forget_if_gone(sequence);
  }
  return {};
}

void Engine::note_progress(const Part& part) {
  Sequence& sequence = *part.sequence;
  const int n_done = part.begin + part.n_row;
  if (sequence.n_output() > 0 || n_done > sequence.n_prompt) return;
  if (n_done == sequence.n_prompt) sequence.prompt_done_ms = sequence.clock.elapsed_ms();
  if (sequence.callbacks.on_progress)
    sequence.callbacks.on_progress({n_done, sequence.n_prompt, sequence.n_cached.value_or(0),
                                    sequence.clock.elapsed_ms() - sequence.start_ms.value_or(0)});
  if (sequence.max_output == 0 && n_done == sequence.n_prompt) finish(sequence, FinishReason::kLength);
}

void Engine::take_token(Sequence& sequence, const backend::OutputResult& result) {
  CHECK(result.token >= 0 && result.token < limits_.n_vocab);
  if ((!sequence.request.ignore_eos || sequence.matcher) && is_end(result.token)) {
    finish(sequence, FinishReason::kStop, result.token);
    return;
  }
  if (sequence.matcher && !sequence.matcher->accept(result.token)) {
    const Error failed{Code::kUnsupported, "grammar: the vocabulary has no token that goes on, want one of all bytes",
                       ""};
    finish(sequence, FinishReason::kError, std::nullopt, &failed);
    return;
  }
  if (!sequence.first_token_ms) sequence.first_token_ms = sequence.clock.elapsed_ms();
  const int index = sequence.n_output();
  sequence.tokens.push_back(result.token);
  if (sequence.uses_counts()) sequence.counts.add_output(result.token);
  const std::string text = sequence.text.push(result.token);
  if (sequence.callbacks.on_token) sequence.callbacks.on_token({index, result.token, text, result.logprob, result.top});
  if (sequence.text.stopped() || (sequence.matcher && sequence.matcher->is_over())) {
    finish(sequence, FinishReason::kStop);
  } else if (sequence.n_output() == sequence.max_output) {
    finish(sequence, FinishReason::kLength);
  }
}

void Engine::finish(Sequence& sequence, FinishReason reason, std::optional<TokenId> stop_token, const Error* error) {
  scheduler_.retire(sequence);
  const double now = sequence.clock.elapsed_ms();
  const double start = sequence.start_ms.value_or(now);
  Finished finished{.reason = reason, .stop_token = stop_token};
  const std::string text = sequence.text.finish();
  finished.text = text;
  finished.stop_string = sequence.text.stop_string();
  if (error != nullptr) finished.error = *error;
  finished.timings = {.n_prompt = sequence.n_prompt,
                      .n_cached = sequence.n_cached.value_or(0),
                      .n_output = sequence.n_output(),
                      .queue_ms = start};
  if (sequence.prompt_done_ms) finished.timings.prompt_ms = *sequence.prompt_done_ms - start;
  if (sequence.first_token_ms) {
    finished.timings.first_token_ms = *sequence.first_token_ms;
    finished.timings.decode_ms = now - *sequence.first_token_ms;
  }
  if (sequence.callbacks.on_finish) sequence.callbacks.on_finish(finished);
}

void Engine::forget_if_gone(Sequence& sequence) {
  if (Scheduler::is_gone(sequence)) sequences_.erase(sequence.id);
}

// Ends everything: what the device holds is lost, and steps in flight will never be known.
tl::unexpected<Error> Engine::fail(Error error) {
  for (const InFlight& step : in_flight_)
    for (const Part& part : step.parts) scheduler_.give_up(part);
  in_flight_.clear();
  {
    const std::lock_guard lock(mutex_);
    failure_ = error;
    for (auto& sequence : added_) {
      scheduler_.enqueue(*sequence);
      sequences_.emplace(sequence->id, std::move(sequence));
    }
    added_.clear();
    busy_ = false;
  }
  for (auto& [id, sequence] : sequences_) {
    if (sequence->place.state != Placement::State::kDone) finish(*sequence, FinishReason::kError, std::nullopt, &error);
  }
  sequences_.clear();
  return tl::make_unexpected(std::move(error));
}

bool Engine::is_end(TokenId token) const {
  if (tokenizer_ == nullptr) return false;
  const auto ends = tokenizer_->end_tokens();
  return std::binary_search(ends.begin(), ends.end(), token);
}

EngineStats Engine::stats() const {
  return {scheduler_.n_active(),
          scheduler_.n_waiting(),
          scheduler_.n_page_free(),
          scheduler_.n_page_cached(),
          scheduler_.n_evicted(),
          scheduler_.n_preempted(),
          static_cast<int>(in_flight_.size()),
          n_step_};
}

}  // namespace tercet::engine
