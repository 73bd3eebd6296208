// Owns finite automata over bytes: what a value of a regular kind (a string, a number, a fixed text) may look like. From
// each of its states a word of the language can be reached.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tercet::grammar {

class Dfa {
 public:
  using State = uint32_t;
  static constexpr State kDead = UINT32_MAX;

  // A table in the making: for each state where each byte leads, and whether a word may end there. State 0 begins.
  struct Table {
    std::vector<std::array<State, 256>> next;
    std::vector<bool> accepts;
    State add(bool accepting);
  };

  Dfa() = default;  // of no word at all
  explicit Dfa(const Table& table);

  bool is_empty() const { return n_state() == 0; }
  State start() const { return is_empty() ? kDead : 0; }
  State next(State state, uint8_t byte) const { return next_[state * n_class_ + class_of_[byte]]; }
  bool accepts(State state) const { return accepts_[state] != 0; }
  // A word ends here, and no longer one begins with it.
  bool is_final(State state) const { return accepts_[state] == 2; }
  size_t n_state() const { return accepts_.size(); }

  bool matches(std::string_view text) const;
  // Where `text` leads from the start, or kDead.
  State after(std::string_view text) const;

 private:
  size_t n_class_ = 0;
  std::array<uint16_t, 256> class_of_{};
  std::vector<State> next_;       // [n_state, n_class]
  std::vector<uint8_t> accepts_;  // 1: a word may end here; 2: it has to
};

// Words of both; words of a that are none of b. Errors: kLimit beyond max_state states.
Result<Dfa> intersection(const Dfa& a, const Dfa& b, size_t max_state);
Result<Dfa> difference(const Dfa& a, const Dfa& b, size_t max_state);

}  // namespace tercet::grammar
