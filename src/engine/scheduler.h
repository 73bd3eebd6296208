// Owns who runs next and who holds which KV page: continuous batching, first come first served. It moves no token and
// calls no backend; the engine asks it for a plan and tells it what was done.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/kv_pages.h"
#include "engine/sequence.h"

namespace tercet::engine {

// A sequence's rows of one step: positions [begin, begin + n_row). If `draws`, the last one's token is sampled.
struct Part {
  Sequence* sequence;
  int begin;
  int n_row;
  bool draws;
};

class Scheduler {
 public:
  // At most `max_active` sequences run at once. A sequence alone must fit: n_page * page_size >= its context.
  Scheduler(const backend::Limits& limits, int max_active);

  // The sequence must outlive its time here: until is_gone().
  void enqueue(Sequence& sequence);

  // The parts of the next step, and books them as submitted: single rows first, then pieces of prompts, each in the
  // order of arrival. Empty when nothing can run before a step in flight is done.
  std::vector<Part> plan();

  // A step with this part was waited for.
  void complete(const Part& part);
  // No more rows of it are wanted. Its pages and slot are free once no step in flight uses them.
  void retire(Sequence& sequence);
  static bool is_gone(const Sequence& sequence) {
    return sequence.place.state == Placement::State::kDone && sequence.place.n_in_flight == 0;
  }

  int n_active() const { return static_cast<int>(active_.size()); }
  int n_waiting() const { return static_cast<int>(waiting_.size()); }
  int n_page_free() const { return pool_.n_free(); }
  int n_preempted() const { return n_preempted_; }  // times that a sequence had to give its pages back

 private:
  int pages_for(int n_token) const { return (n_token + page_size_ - 1) / page_size_; }
  bool is_releasing() const { return n_releasing_ > 0; }
  bool grow(Sequence& sequence, int n_token);
  bool can_admit(const Sequence& sequence) const;
  void admit_waiting();
  void preempt(Sequence& sequence);
  void leave(Sequence& sequence);
  void release(Placement& place);
  Part book(Sequence& sequence, int n_row);

  const int max_row_;
  const int page_size_;
  backend::PagePool pool_;
  std::vector<int> free_slots_;     // a stack
  std::vector<Sequence*> active_;   // by arrival
  std::vector<Sequence*> waiting_;  // by arrival; all arrived after those in active_
  int n_releasing_ = 0;             // sequences that hold pages only for steps in flight
  int n_preempted_ = 0;
};

}  // namespace tercet::engine
