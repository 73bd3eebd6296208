#include "grammar/dfa.h"

#include <map>
#include <utility>

namespace tercet::grammar {
namespace {

constexpr Dfa::State kDead = Dfa::kDead;

// Which states lead to a word's end.
std::vector<bool> find_live(const Dfa::Table& table) {
  const size_t n = table.next.size();
  std::vector<std::vector<Dfa::State>> before(n);
  for (size_t s = 0; s < n; ++s) {
    Dfa::State seen = kDead;
    for (const Dfa::State to : table.next[s]) {
      if (to != kDead && to != seen) before[to].push_back(static_cast<Dfa::State>(s));
      seen = to;
    }
  }
  std::vector<bool> live(n, false);
  std::vector<Dfa::State> todo;
  for (size_t s = 0; s < n; ++s)
    if (table.accepts[s]) todo.push_back(static_cast<Dfa::State>(s));
  while (!todo.empty()) {
    const Dfa::State s = todo.back();
    todo.pop_back();
    if (live[s]) continue;
    live[s] = true;
    todo.insert(todo.end(), before[s].begin(), before[s].end());
  }
  return live;
}

template <typename Accepts>
Result<Dfa> product(const Dfa& a, const Dfa& b, size_t max_state, bool needs_b, Accepts accepts) {
  if (a.is_empty()) return Dfa();
  Dfa::Table table;
  std::map<std::pair<Dfa::State, Dfa::State>, Dfa::State> ids;
  std::vector<std::pair<Dfa::State, Dfa::State>> pairs;
  const auto id_of = [&](Dfa::State x, Dfa::State y) {
    const auto [it, is_new] = ids.try_emplace({x, y}, static_cast<Dfa::State>(pairs.size()));
    if (is_new) {
      pairs.emplace_back(x, y);
      table.add(accepts(x, y));
    }
    return it->second;
  };
  id_of(a.start(), b.start());
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs.size() > max_state)
      return error(Code::kLimit, "automaton: more than {} states, want a simpler schema", max_state);
    const auto [x, y] = pairs[i];
    for (int byte = 0; byte < 256; ++byte) {
      const Dfa::State to_x = a.next(x, static_cast<uint8_t>(byte));
      const Dfa::State to_y = y == kDead ? kDead : b.next(y, static_cast<uint8_t>(byte));
      if (to_x == kDead || (needs_b && to_y == kDead)) continue;
      table.next[i][static_cast<size_t>(byte)] = id_of(to_x, to_y);
    }
  }
  return Dfa(table);
}

constexpr size_t kMaxMinimised = 1024;  // states: beyond it the work is not worth the smaller table

// The block of each live state, blocks being states that no word tells apart (Moore); the start's is 0.
std::vector<Dfa::State> find_blocks(const Dfa::Table& table, const std::vector<bool>& live) {
  const size_t n = table.next.size();
  std::vector<Dfa::State> block(n, kDead);
  size_t n_block = 0;
  for (size_t s = 0; s < n; ++s)
    if (live[s]) block[s] = table.accepts[s] ? 1 : 0;
  if (n > kMaxMinimised) {
    for (size_t s = 0; s < n; ++s)
      if (live[s]) block[s] = static_cast<Dfa::State>(n_block++);
    return block;
  }
  for (size_t before = SIZE_MAX; n_block != before;) {
    before = n_block;
    std::map<std::vector<Dfa::State>, Dfa::State> ids;
    std::vector<Dfa::State> next(n, kDead);
    for (size_t s = 0; s < n; ++s) {
      if (!live[s]) continue;
      std::vector<Dfa::State> key = {block[s]};
      // Runs of bytes that lead to one block, so that a key is short.
      Dfa::State last = block[s] + 1;
      for (size_t byte = 0; byte < 256; ++byte) {
        const Dfa::State to = table.next[s][byte];
        const Dfa::State its = to == kDead || !live[to] ? kDead : block[to];
        if (byte > 0 && its == last) continue;
        key.push_back(static_cast<Dfa::State>(byte));
        key.push_back(its);
        last = its;
      }
      next[s] = ids.try_emplace(std::move(key), static_cast<Dfa::State>(ids.size())).first->second;
    }
    n_block = ids.size();
    block = std::move(next);
  }
  return block;
}

}  // namespace

Dfa::State Dfa::Table::add(bool accepting) {
  next.emplace_back().fill(kDead);
  accepts.push_back(accepting);
  return static_cast<State>(next.size() - 1);
}

Dfa::Dfa(const Table& table) {
  const std::vector<bool> live = find_live(table);
  if (live.empty() || !live[0]) return;
  const std::vector<State> block = find_blocks(table, live);
  std::vector<size_t> member;  // one of each block's
  for (size_t s = 0; s < live.size(); ++s) {
    if (!live[s] || block[s] < member.size()) continue;
    member.push_back(s);  // blocks are numbered in the order of their first states
  }
  const auto to = [&](size_t s, size_t byte) {
    const State next = table.next[s][byte];
    return next == kDead || !live[next] ? kDead : block[next];
  };
  // Bytes that lead to the same place from everywhere are of one class.
  std::map<std::vector<State>, uint16_t> classes;
  for (size_t byte = 0; byte < 256; ++byte) {
    std::vector<State> column;
    for (const size_t s : member) column.push_back(to(s, byte));
    class_of_[byte] = classes.try_emplace(std::move(column), static_cast<uint16_t>(classes.size())).first->second;
  }
  n_class_ = classes.size();
  next_.resize(member.size() * n_class_);
  for (const auto& [column, id] : classes)
    for (size_t s = 0; s < member.size(); ++s) next_[s * n_class_ + id] = column[s];
  for (const size_t s : member) {
    bool goes_on = false;
    for (size_t byte = 0; byte < 256; ++byte) goes_on = goes_on || to(s, byte) != kDead;
    accepts_.push_back(!table.accepts[s] ? 0 : goes_on ? 1 : 2);
  }
}

Dfa::State Dfa::after(std::string_view text) const {
  State state = start();
  for (const char c : text) {
    if (state == kDead) return kDead;
    state = next(state, static_cast<uint8_t>(c));
  }
  return state;
}

bool Dfa::matches(std::string_view text) const {
  const State state = after(text);
  return state != kDead && accepts(state);
}

Result<Dfa> intersection(const Dfa& a, const Dfa& b, size_t max_state) {
  if (b.is_empty()) return Dfa();
  return product(a, b, max_state, true, [&](Dfa::State x, Dfa::State y) { return a.accepts(x) && b.accepts(y); });
}

Result<Dfa> difference(const Dfa& a, const Dfa& b, size_t max_state) {
  if (b.is_empty()) return a;
  return product(a, b, max_state, false,
                 [&](Dfa::State x, Dfa::State y) { return a.accepts(x) && (y == kDead || !b.accepts(y)); });
}

}  // namespace tercet::grammar
