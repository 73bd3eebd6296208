// Owns the building of regular languages: fragments put together as in Thompson's construction, then one Dfa of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/code_points.h"
#include "grammar/dfa.h"

namespace tercet::grammar {

inline constexpr size_t kMaxNfaState = 20'000;

// States beyond the limit are not made: what is built then is nonsense, and dfa() says so.
class Nfa {
 public:
  explicit Nfa(size_t max_state = kMaxNfaState) : max_state_(max_state) {}

  struct Fragment {
    uint32_t begin, end;
  };

  Fragment nothing();  // the empty word
  Fragment range(uint8_t low, uint8_t high);
  Fragment text(std::string_view bytes);
  Fragment sequence(Fragment first, Fragment second);
  Fragment sequence(const std::vector<Fragment>& parts);
  Fragment either(const std::vector<Fragment>& parts);  // of none: no word
  Fragment optional(Fragment part) { return either({part, nothing()}); }
  Fragment star(Fragment part);
  // `make` is called for each repetition.
  template <typename Make>
  Fragment repeat(int least, int most, Make make) {
    Fragment out = nothing();
    for (int i = 0; i < most && !is_full(); ++i) {
      const Fragment part = make();
      if (i >= least) epsilon(out.end, part.begin), skips_.push_back(out.end), out.end = part.end;
      if (i < least) out = sequence(out, part);
    }
    return close_skips(out, most - least);
  }

  // One of the code points, as UTF-8.
  Fragment utf8(const CodePoints& set);
  // One of the code points as it stands within a JSON string: raw where that may be, else as its shortest escape.
  Fragment json_character(const CodePoints& set);
  // Any code point within a JSON string, in each of its spellings.
  Fragment json_any();

  bool is_full() const { return epsilons_.size() > max_state_; }
  // Errors: kLimit.
  Result<Dfa> dfa(Fragment whole, size_t max_dfa_state) const;

 private:
  struct Edge {
    uint8_t low, high;
    uint32_t to;
  };
  uint32_t add_state();
  void edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to);
  void epsilon(uint32_t from, uint32_t to);
  Fragment close_skips(Fragment out, int n);
  void add_utf8(Fragment into, uint32_t low, uint32_t high);
  void close(std::vector<uint32_t>& states) const;

  size_t max_state_;
  std::vector<std::vector<uint32_t>> epsilons_;
  std::vector<std::vector<Edge>> edges_;
  std::vector<uint32_t> skips_;  // of a repeat: where it may end early
};

}  // namespace tercet::grammar
