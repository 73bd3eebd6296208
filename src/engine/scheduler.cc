#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tercet::engine {
namespace {

// Keeps a list in the order of arrival.
void insert_by_arrival(std::vector<Sequence*>& list, Sequence& sequence) {
  const auto later = [](RequestId id, const Sequence* other) { return id < other->id; };
  list.insert(std::upper_bound(list.begin(), list.end(), sequence.id, later), &sequence);
}

}  // namespace

Scheduler::Scheduler(const backend::Limits& limits, int max_active, bool caches)
    : max_row_(limits.max_row),
      page_size_(limits.kv.page_size),
      caches_(caches),
      pool_(limits.kv.n_page),
      cache_(pool_, page_size_) {
  CHECK(page_size_ > 0 && max_active > 0);
  // Every running sequence gets a row in every step, so no more may run than a step has rows.
  for (int slot = std::min({max_active, limits.max_sequence, limits.max_row}) - 1; slot >= 0; --slot)
    free_slots_.push_back(slot);
  CHECK(!free_slots_.empty());
}

void Scheduler::enqueue(Sequence& sequence) {
  share_.enter(sequence.request.owner);
  insert_by_arrival(waiting_, sequence);
}

bool Scheduler::goes_before(const Sequence& a, const Sequence& b) const {
  const int64_t of_a = share_.rank(a.request.owner);
  const int64_t of_b = share_.rank(b.request.owner);
  return of_a != of_b ? of_a < of_b : a.id < b.id;
}

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
  std::vector<Sequence*> prompts;
  for (Sequence* sequence : active_)
    if (sequence->n_ready() > 1) prompts.push_back(sequence);  // who has a row by now has at most one more to ask for
  std::sort(prompts.begin(), prompts.end(), [&](const Sequence* a, const Sequence* b) { return goes_before(*a, *b); });
  for (Sequence* sequence : prompts) {
    const int n_row = std::min(sequence->n_ready(), n_left);
    if (n_row == 0) break;
    parts.push_back(book(*sequence, n_row));
    n_left -= n_row;
  }
  return parts;
}

Part Scheduler::book(Sequence& sequence, int n_row) {
  Placement& place = sequence.place;
  const bool draws = n_row == sequence.n_ready() && sequence.max_output > 0;
  const Part part{&sequence, place.n_submitted, n_row, draws, std::exchange(place.copy, kNoCopy)};
  place.n_submitted += n_row;
  place.n_drawing += draws ? 1 : 0;
  ++place.n_in_flight;
  if (const int n_new = place.n_submitted - std::max(place.n_charged, part.begin); n_new > 0) {
    const int n_promised = std::min(n_new, place.n_promised);
    share_.charge(sequence.request.owner, n_new, n_promised);
    place.n_promised -= n_promised;
    place.n_charged = place.n_submitted;
  }
  return part;
}

void Scheduler::complete(const Part& part) {
  part.sequence->place.n_computed = part.begin + part.n_row;
  if (part.sequence->place.state == Placement::State::kActive) keep_prefix(*part.sequence);
  finish_part(part);
}

void Scheduler::give_up(const Part& part) {
  caches_ = false;
  cache_.clear();
  finish_part(part);
}

void Scheduler::finish_part(const Part& part) {
  Placement& place = part.sequence->place;
  if (part.copy.from >= 0) pool_.release(part.copy.from);
  --place.n_in_flight;
  place.n_drawing -= part.draws ? 1 : 0;
  if (place.n_in_flight > 0 || place.state == Placement::State::kActive) return;
  release(*part.sequence);
  --n_releasing_;
}

// While it runs, so that those who begin alike need not wait for its end.
void Scheduler::keep_prefix(Sequence& sequence) {
  Placement& place = sequence.place;
  const int n_token = std::min(place.n_computed, sequence.n_known());
  const int n_page = n_token / page_size_;
  if (!place.keeps_more || n_page <= place.n_kept) return;
  place.n_kept = cache_.keep_whole(sequence.request.owner,
                                   std::span(sequence.tokens).first(static_cast<size_t>(n_token)), place.pages);
  place.keeps_more = place.n_kept == n_page;
}

void Scheduler::retire(Sequence& sequence) {
  if (sequence.place.state == Placement::State::kActive) {
    leave(sequence);
  } else {
    std::erase(waiting_, &sequence);
  }
  share_.leave(sequence.request.owner);
  sequence.place.state = Placement::State::kDone;
}

// What is cached goes before anybody has to give way.
backend::PageId Scheduler::allocate() {
  const backend::PageId page = pool_.allocate();
  if (page >= 0 || !cache_.evict_one()) return page;
  return pool_.allocate();
}

// Gives the sequence pages for n_token positions, the youngest's if need be. False if it has to wait: for pages on
// their way back, or because it was itself the youngest.
bool Scheduler::grow(Sequence& sequence, int n_token) {
  std::vector<backend::PageId>& pages = sequence.place.pages;
  while (static_cast<int>(pages.size()) < pages_for(n_token)) {
    const backend::PageId page = allocate();
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
  insert_by_arrival(waiting_, sequence);
}

void Scheduler::leave(Sequence& sequence) {
  std::erase(active_, &sequence);
  share_.promise(sequence.request.owner, -std::exchange(sequence.place.n_promised, 0));
  if (sequence.place.n_in_flight > 0) {
    ++n_releasing_;
  } else {
    release(sequence);
  }
}

// No step in flight uses it: what was computed stays as it is.
void Scheduler::release(Sequence& sequence) {
  Placement& place = sequence.place;
  if (const auto copy = std::exchange(place.copy, kNoCopy); copy.from >= 0) pool_.release(copy.from);
  if (caches_ && sequence.request.uses_cache) {
    const auto n_token = static_cast<size_t>(std::min(place.n_computed, sequence.n_known()));
    cache_.keep_all(sequence.request.owner, std::span(sequence.tokens).first(n_token), place.pages);
  }
  for (const backend::PageId page : place.pages) pool_.release(page);
  place.pages.clear();
  free_slots_.push_back(place.slot);
  place.slot = -1;
  place.n_submitted = place.n_computed = place.n_kept = 0;
}

// What it would begin with, if it can be let in now.
std::optional<PrefixCache::Match> Scheduler::find_room(const Sequence& sequence) {
  if (free_slots_.empty() || sequence.place.n_in_flight > 0) return std::nullopt;
  PrefixCache::Match match;
  // The last token is always computed: the next one is drawn from its row.
  if (caches_ && sequence.request.uses_cache)
    match = cache_.find(sequence.request.owner,
                        std::span(sequence.tokens).first(static_cast<size_t>(sequence.n_known()) - 1));
  // A page for each that already runs, or the newcomer would soon be thrown out again and its prompt's work lost. What it
  // takes from the cache cannot be let go any more.
  int room = pool_.n_free() + pool_.n_idle() - n_active();
  for (const backend::PageId page : match.pages) room -= pool_.is_idle(page) ? 1 : 0;
  const int n_new = pages_for(sequence.n_known()) - static_cast<int>(match.pages.size());
  if (match.partial >= 0 && n_new + (pool_.is_idle(match.partial) ? 1 : 0) > room) {
    match.partial = -1;
    match.n_partial = 0;
  }
  if (n_new > room) return std::nullopt;
  return match;
}

void Scheduler::admit(Sequence& sequence, const PrefixCache::Match& match) {
  Placement& place = sequence.place;
  insert_by_arrival(active_, sequence);
  place.state = Placement::State::kActive;
  place.slot = free_slots_.back();
  free_slots_.pop_back();
  place.pages = match.pages;
  for (const backend::PageId page : place.pages) pool_.retain(page);
  if (match.partial >= 0) pool_.retain(match.partial);
  CHECK(grow(sequence, sequence.n_known()));
  if (match.partial >= 0) place.copy = {match.partial, place.pages[match.pages.size()]};
  place.n_submitted = match.n_token(page_size_);
  place.n_kept = static_cast<int>(match.pages.size());
  place.n_computed = place.n_kept * page_size_;  // the copy is not made yet
  place.keeps_more = caches_ && sequence.request.uses_cache;
  if (!sequence.n_cached) sequence.n_cached = place.n_submitted;
  place.n_charged = std::max(place.n_charged, place.n_submitted);
  place.n_promised = std::max(0, sequence.n_known() - place.n_charged);
  share_.promise(sequence.request.owner, place.n_promised);
}

// Whether it would get a row of the next step: nobody is let in before, as his pages may still serve the others.
bool Scheduler::has_rows(const Sequence& newcomer) const {
  int n_wanted = 0;
  for (const Sequence* sequence : active_)
    if (sequence->n_ready() < 2 || goes_before(*sequence, newcomer)) n_wanted += sequence->n_ready();
  return n_wanted < max_row_;
}

// Whether another has pages on their way that the newcomer begins with, beyond those that the cache has: to wait for them
// is less work than to compute them a second time. So the choices of one request compute its prompt once.
bool Scheduler::is_being_computed(const Sequence& newcomer, int n_page_cached) const {
  if (!caches_ || !newcomer.request.uses_cache) return false;
  const int n_most = newcomer.n_known() - 1;  // the last token is always computed
  for (const Sequence* other : active_) {
    const Placement& place = other->place;
    if (!place.keeps_more || other->request.owner != newcomer.request.owner) continue;
    const int n = std::min(n_most, other->n_known());
    if (n / page_size_ <= std::max(n_page_cached, place.n_computed / page_size_)) continue;
    const auto end = newcomer.tokens.begin() + n;
    const auto n_alike =
        std::mismatch(newcomer.tokens.begin(), end, other->tokens.begin()).first - newcomer.tokens.begin();
    if (static_cast<int>(n_alike) / page_size_ > std::max(n_page_cached, place.n_computed / page_size_)) return true;
  }
  return false;
}

void Scheduler::admit_waiting() {
  // The one whose turn it is holds up the others: who needs many pages would otherwise never get them.
  while (!waiting_.empty() && !free_slots_.empty()) {
    const auto next = std::min_element(waiting_.begin(), waiting_.end(),
                                       [&](const Sequence* a, const Sequence* b) { return goes_before(*a, *b); });
    Sequence& sequence = **next;
    if (!has_rows(sequence)) break;
    const auto match = find_room(sequence);
    if (!match || is_being_computed(sequence, static_cast<int>(match->pages.size()))) break;
    waiting_.erase(next);
    admit(sequence, *match);
  }
}

}  // namespace tercet::engine
