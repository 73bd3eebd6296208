// Owns who runs next and who holds which KV page: continuous batching, fair between owners, and first come first served
// for one owner. It moves no token and
// calls no backend; the engine asks it for a plan and tells it what was done.
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"
#include "backend/kv_pages.h"
#include "engine/fair_share.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"

namespace tercet::engine {

// A sequence's rows of one step: positions [begin, begin + n_row). If `draws`, the last one's token is sampled.
struct Part {
  Sequence* sequence;
  int begin;
  int n_row;
  bool draws;
  backend::PageCopy copy = kNoCopy;  // before the rows
};

class Scheduler {
 public:
  // At most `max_active` sequences run at once. A sequence alone must fit: n_page * page_size >= its context.
  // With `caches`, pages of what was computed are kept for those who begin alike.
  Scheduler(const backend::Limits& limits, int max_active, bool caches);

  // The sequence must outlive its time here: until is_gone().
  void enqueue(Sequence& sequence);

  // The parts of the next step, and books them as submitted: single rows first, in the order of arrival, then pieces of
  // prompts, first of whose owner has had least. Empty when nothing can run before a step in flight is done.
  std::vector<Part> plan();

  // A step with this part was waited for.
  void complete(const Part& part);
  // A step with this part never will be; nothing more may be planned.
  void give_up(const Part& part);
  // No more rows of it are wanted. Its pages and slot are free once no step in flight uses them.
  void retire(Sequence& sequence);
  static bool is_gone(const Sequence& sequence) {
    return sequence.place.state == Placement::State::kDone && sequence.place.n_in_flight == 0;
  }

  int n_active() const { return static_cast<int>(active_.size()); }
  int n_waiting() const { return static_cast<int>(waiting_.size()); }
  int n_page_free() const { return pool_.n_free(); }
  int n_page_cached() const { return pool_.n_idle(); }  // that the prefix cache alone holds, and lets go when asked
  int64_t n_evicted() const { return cache_.n_evicted(); }
  int n_preempted() const { return n_preempted_; }  // times that a sequence had to give its pages back

 private:
  int pages_for(int n_token) const { return (n_token + page_size_ - 1) / page_size_; }
  bool is_releasing() const { return n_releasing_ > 0; }
  backend::PageId allocate();
  bool grow(Sequence& sequence, int n_token);
  std::optional<PrefixCache::Match> find_room(const Sequence& sequence);
  void admit(Sequence& sequence, const PrefixCache::Match& match);
  void admit_waiting();
  bool has_rows(const Sequence& newcomer) const;
  bool is_being_computed(const Sequence& newcomer, int n_page_cached) const;
  bool goes_before(const Sequence& a, const Sequence& b) const;
  void keep_prefix(Sequence& sequence);
  void finish_part(const Part& part);
  void preempt(Sequence& sequence);
  void leave(Sequence& sequence);
  void release(Sequence& sequence);
  Part book(Sequence& sequence, int n_row);

  const int max_row_;
  const int page_size_;
  bool caches_;
  backend::PagePool pool_;
  PrefixCache cache_;
  FairShare share_;
  std::vector<int> free_slots_;     // a stack
  std::vector<Sequence*> active_;   // by arrival
  std::vector<Sequence*> waiting_;  // by arrival
  int n_releasing_ = 0;             // sequences that hold pages only for steps in flight
  int n_preempted_ = 0;
};

}  // namespace tercet::engine
