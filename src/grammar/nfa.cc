#include "grammar/nfa.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace tercet::grammar {
namespace {

using Fragment = Nfa::Fragment;

constexpr size_t kMaxWork = 4'000'000;  // states looked at while sets of them become one state

size_t encode(uint32_t c, std::array<uint8_t, 4>& out) {
  if (c < 0x80) {
    out = {static_cast<uint8_t>(c)};
    return 1;
  }
  const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; --i, c >>= 6) out[i] = static_cast<uint8_t>(0x80 | (c & 0x3F));
  out[0] = static_cast<uint8_t>((n == 2 ? 0xC0U : n == 3 ? 0xE0U : 0xF0U) | c);
  return n;
}

// The characters that have an escape of two letters.
constexpr std::array<std::pair<uint32_t, std::string_view>, 7> kShortEscapes = {
    {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}}};

}  // namespace

uint32_t Nfa::add_state() {
  if (is_full()) return 0;
  epsilons_.emplace_back();
  edges_.emplace_back();
  return static_cast<uint32_t>(edges_.size() - 1);
}

void Nfa::edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
  if (!is_full()) edges_[from].push_back({low, high, to});
}

void Nfa::epsilon(uint32_t from, uint32_t to) {
  if (!is_full()) epsilons_[from].push_back(to);
}

Fragment Nfa::nothing() {
  const uint32_t state = add_state();
  return {state, state};
}

Fragment Nfa::range(uint8_t low, uint8_t high) {
  const Fragment out = {add_state(), add_state()};
  edge(out.begin, low, high, out.end);
  return out;
}

Fragment Nfa::text(std::string_view bytes) {
  Fragment out = nothing();
  for (const char c : bytes) {
    const uint32_t next = add_state();
    edge(out.end, static_cast<uint8_t>(c), static_cast<uint8_t>(c), next);
    out.end = next;
  }
  return out;
}

Fragment Nfa::sequence(Fragment first, Fragment second) {
  epsilon(first.end, second.begin);
  return {first.begin, second.end};
}

Fragment Nfa::sequence(const std::vector<Fragment>& parts) {
  Fragment out = nothing();
  for (const Fragment& part : parts) out = sequence(out, part);
  return out;
}

Fragment Nfa::either(const std::vector<Fragment>& parts) {
  const Fragment out = {add_state(), add_state()};
  for (const Fragment& part : parts) {
    epsilon(out.begin, part.begin);
    epsilon(part.end, out.end);
  }
  return out;
}

Fragment Nfa::star(Fragment part) {
  const uint32_t state = add_state();
  epsilon(state, part.begin);
  epsilon(part.end, state);
  return {state, state};
}

Fragment Nfa::close_skips(Fragment out, int n) {
  if (n <= 0 || is_full()) return out;
  const uint32_t end = add_state();
  epsilon(out.end, end);
  for (int i = 0; i < n; ++i) {
    epsilon(skips_.back(), end);
    skips_.pop_back();
  }
  return {out.begin, end};
}

// Cuts the range where its bytes stop being independent of one another.
void Nfa::add_utf8(Fragment into, uint32_t low, uint32_t high) {
  for (const uint32_t last : {0x7FU, 0x7FFU, 0xFFFFU}) {
    if (low <= last && high > last) {
      add_utf8(into, low, last);
      add_utf8(into, last + 1, high);
      return;
    }
  }
  std::array<uint8_t, 4> a{}, b{};
  const size_t n = encode(low, a);
  for (size_t i = 1; i < n; ++i) {
    const uint32_t rest = (uint32_t{1} << (6 * i)) - 1;
    if ((low & ~rest) == (high & ~rest)) continue;
    const uint32_t cut = (low & rest) != 0 ? low | rest : (high & rest) != rest ? (high & ~rest) - 1 : high;
    if (cut == high) continue;
    add_utf8(into, low, cut);
    add_utf8(into, cut + 1, high);
    return;
  }
  encode(high, b);
  uint32_t from = into.begin;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t to = i + 1 == n ? into.end : add_state();
    edge(from, a[i], b[i], to);
    from = to;
  }
}

Fragment Nfa::utf8(const CodePoints& set) {
  const Fragment out = {add_state(), add_state()};
  for (const auto& [low, high] : set.ranges()) add_utf8(out, low, high);
  return out;
}

Fragment Nfa::json_character(const CodePoints& set) {
  static const CodePoints kRaw = CodePoints({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}).complement();
  std::vector<Fragment> parts = {utf8(set.intersection(kRaw))};
  for (const auto& [c, escape] : kShortEscapes)
    if (set.contains(c)) parts.push_back(text(escape));
  const auto hex = [&] { return either({range('0', '9'), range('a', 'f')}); };
  if (set.contains_all(0, 0x1F)) {
    parts.push_back(sequence({text("\\u00"), range('0', '1'), hex()}));
  } else {
    for (uint32_t c = 0; c < 0x20; ++c)
      if (set.contains(c)) parts.push_back(text(fmt::format("\\u{:04x}", c)));
  }
  return either(parts);
}

Fragment Nfa::json_any() {
  const auto hex = [&] { return either({range('0', '9'), range('a', 'f'), range('A', 'F')}); };
  const auto d = [&] { return either({range('d', 'd'), range('D', 'D')}); };
  // No half of a surrogate pair by itself: it stands for no character.
  const Fragment other = either({range('0', '9'), range('a', 'c'), range('A', 'C'), range('e', 'f'), range('E', 'F')});
  const Fragment high = either({range('8', '9'), range('a', 'b'), range('A', 'B')});
  const Fragment low = either({range('c', 'f'), range('C', 'F')});
  return either({json_character(CodePoints::all()), text("\\/"), sequence({text("\\u"), other, hex(), hex(), hex()}),
                 sequence({text("\\u"), d(), range('0', '7'), hex(), hex()}),
                 sequence({text("\\u"), d(), high, hex(), hex(), text("\\u"), d(), low, hex(), hex()})});
}

void Nfa::close(std::vector<uint32_t>& states) const {
  std::vector<bool> seen(epsilons_.size(), false);
  std::vector<uint32_t> todo = std::move(states);
  states.clear();
  while (!todo.empty()) {
    const uint32_t s = todo.back();
    todo.pop_back();
    if (seen[s]) continue;
    seen[s] = true;
    states.push_back(s);
    todo.insert(todo.end(), epsilons_[s].begin(), epsilons_[s].end());
  }
  std::sort(states.begin(), states.end());
}

Result<Dfa> Nfa::dfa(Fragment whole, size_t max_dfa_state) const {
  const auto too_large = [&](size_t n) {
    return error(Code::kLimit, "automaton: more than {} states, want a simpler schema", n);
  };
  if (is_full()) return too_large(max_state_);
  Dfa::Table table;
  std::map<std::vector<uint32_t>, Dfa::State> ids;
  std::vector<std::vector<uint32_t>> sets;
  size_t n_work = 0;
  const auto id_of = [&](std::vector<uint32_t> set) {
    close(set);
    n_work += set.size() + 16;
    const auto [it, is_new] = ids.try_emplace(set, static_cast<Dfa::State>(sets.size()));
    if (is_new) {
      table.add(std::binary_search(set.begin(), set.end(), whole.end));
      sets.push_back(std::move(set));
    }
    return it->second;
  };
  id_of({whole.begin});
  for (size_t i = 0; i < sets.size(); ++i) {
    if (sets.size() > max_dfa_state || n_work > kMaxWork) return too_large(max_dfa_state);
    // The bytes between two places where an edge begins or ends lead to the same states.
    std::array<bool, 257> cuts{};
    for (const uint32_t s : sets[i])
      for (const Edge& e : edges_[s]) cuts[e.low] = cuts[static_cast<size_t>(e.high) + 1] = true;
    for (size_t low = 0; low < 256;) {
      size_t next = low + 1;
      while (next < 256 && !cuts[next]) ++next;
      std::vector<uint32_t> to;
      for (const uint32_t s : sets[i])
        for (const Edge& e : edges_[s])
          if (e.low <= low && low <= e.high) to.push_back(e.to);
      if (!to.empty()) {
        const Dfa::State id = id_of(std::move(to));
        std::fill(table.next[i].begin() + static_cast<std::ptrdiff_t>(low),
                  table.next[i].begin() + static_cast<std::ptrdiff_t>(next), id);
      }
      low = next;
    }
  }
  return Dfa(table);
}

}  // namespace tercet::grammar
