#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace tercet::engine {
namespace {

// Keeps a list in the order of arrival.
void insert_by_arrival(std::vector<Sequence*>& list, Sequence& sequence) {
  const auto later = [](RequestId id, const Sequence* other) { return id < other->id; };
  list.insert(std::upper_bound(list.begin(), list.end(), sequence.id, later), &sequence);
}

}  // namespace

Scheduler::Scheduler(const backend::Limits& limits, int max_active)
    : max_row_(limits.max_row), page_size_(limits.kv.page_size), pool_(limits.kv.n_page) {
  CHECK(page_size_ > 0 && max_active > 0);
  // Every running sequence gets a row in every step, so no more may run than a step has rows.
  for (int slot = std::min({max_active, limits.max_sequence, limits.max_row}) - 1; slot >= 0; --slot)
    free_slots_.push_back(slot);
  CHECK(!free_slots_.empty());
}

void Scheduler::enqueue(Sequence& sequence) { insert_by_arrival(waiting_, sequence); }

std::vector<Part> Scheduler::plan() {
  // Oldest first, and the youngest gives way: the oldest always goes on, so everybody's turn comes.
  // NOLINTNEXTLINE(modernize-loop-convert): grow() may take the youngest out of active_
  for (size_t i = 0; i < active_.size(); ++i) {
    Sequence& sequence = *active_[i];
    if (sequence.n_ready() == 1) grow(sequence, sequence.place.n_submitted + 1);
  }
  admit_waiting();

  std::vector<Part> parts;
  for (Sequence* sequence : active_) {
    const bool has_page = static_cast<int>(sequence->place.pages.size()) >= pages_for(sequence->place.n_submitted + 1);
    if (sequence->n_ready() == 1 && has_page) parts.push_back(book(*sequence, 1));
  }
  // Prefill gets only the rows that are left when every decoding sequence has got one:
  // a long prompt may slow the others, never stop them.
  int n_left = max_row_ - static_cast<int>(parts.size());
  for (Sequence* sequence : active_) {
    const int n_row = std::min(sequence->n_ready(), n_left);
    if (sequence->n_ready() < 2 || n_row == 0) continue;  // who has a row by now has at most one more to ask for
    parts.push_back(book(*sequence, n_row));
    n_left -= n_row;
  }
  return parts;
}

Part Scheduler::book(Sequence& sequence, int n_row) {
  Placement& place = sequence.place;
  const bool draws = n_row == sequence.n_ready() && sequence.max_output > 0;
  const Part part{&sequence, place.n_submitted, n_row, draws};
  place.n_submitted += n_row;
  place.n_drawing += draws ? 1 : 0;
  ++place.n_in_flight;
  return part;
}

void Scheduler::complete(const Part& part) {
  Placement& place = part.sequence->place;
  --place.n_in_flight;
  place.n_drawing -= part.draws ? 1 : 0;
  if (place.n_in_flight > 0 || place.state == Placement::State::kActive) return;
  release(place);
  --n_releasing_;
}

void Scheduler::retire(Sequence& sequence) {
  if (sequence.place.state == Placement::State::kActive) {
    leave(sequence);
  } else {
    std::erase(waiting_, &sequence);
  }
  sequence.place.state = Placement::State::kDone;
}

// Gives the sequence pages for n_token positions, the youngest's if need be. False if it has to wait: for pages on
// their way back, or because it was itself the youngest.
bool Scheduler::grow(Sequence& sequence, int n_token) {
  std::vector<backend::PageId>& pages = sequence.place.pages;
  while (static_cast<int>(pages.size()) < pages_for(n_token)) {
    const backend::PageId page = pool_.allocate();
    if (page >= 0) {
      pages.push_back(page);
      continue;
    }
    if (is_releasing()) return false;
    Sequence& youngest = *active_.back();
    preempt(youngest);
    if (&youngest == &sequence) return false;
  }
  return true;
}

// Back to the waiting, to be computed again from the tokens it has; the texts are the same as if nothing had happened.
void Scheduler::preempt(Sequence& sequence) {
  ++n_preempted_;
  leave(sequence);
  sequence.place.state = Placement::State::kWaiting;
  enqueue(sequence);
}

void Scheduler::leave(Sequence& sequence) {
  std::erase(active_, &sequence);
  if (sequence.place.n_in_flight > 0) {
    ++n_releasing_;
  } else {
    release(sequence.place);
  }
}

void Scheduler::release(Placement& place) {
  for (const backend::PageId page : place.pages) pool_.release(page);
  place.pages.clear();
  free_slots_.push_back(place.slot);
  place.slot = -1;
  place.n_submitted = 0;
}

bool Scheduler::can_admit(const Sequence& sequence) const {
  if (free_slots_.empty() || sequence.place.n_in_flight > 0) return false;
  // A page for each that already runs, or the newcomer would soon be thrown out again and its prompt's work lost.
  return pages_for(sequence.n_known()) + n_active() <= pool_.n_free();
}

void Scheduler::admit_waiting() {
  int n_wanted = 0;
  for (const Sequence* sequence : active_) n_wanted += sequence->n_ready();
  // The first in the queue holds up those behind it: who needs many pages would otherwise never get them. And nobody is
  // admitted before there are rows for him: his pages may still serve the others.
  while (!waiting_.empty() && n_wanted < max_row_ && can_admit(*waiting_.front())) {
    Sequence& sequence = *waiting_.front();
    waiting_.erase(waiting_.begin());
    insert_by_arrival(active_, sequence);
    sequence.place.state = Placement::State::kActive;
    sequence.place.slot = free_slots_.back();
    free_slots_.pop_back();
    CHECK(grow(sequence, sequence.n_known()));
    n_wanted += sequence.n_ready();
  }
}

}  // namespace tercet::engine
