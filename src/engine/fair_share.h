// Owns how much each owner of requests has had, so that one who asks much does not hold up one who asks little.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tercet::engine {

// Counts tokens that were computed, of prompts and of answers alike; who has had least comes first. An owner who comes
// back begins with the least of those who are there: who was away has saved up nothing (a virtual token counter, as in
// Sheng et al., "Fairness in Serving Large Language Models", 2024).
class FairShare {
 public:
  // One more request of this owner's is there, or one less.
  void enter(std::string_view owner);
  void leave(std::string_view owner);
  // Tokens of a prompt that was let in, still to be computed; what is negative takes a promise back.
  void promise(std::string_view owner, int64_t n_token);
  // Tokens that are computed, of which so many were promised.
  void charge(std::string_view owner, int64_t n_token, int64_t n_promised);
  // Who has the least of it is next: what he had, and what he was promised.
  int64_t rank(std::string_view owner) const;

 private:
  struct Account {
    int64_t n_served = 0;
    int64_t n_promised = 0;
    int n_request = 0;
  };
  // Those that have requests, and those that had when others still have.
  std::map<std::string, Account, std::less<>> accounts_;
  int n_request_ = 0;
};

}  // namespace tercet::engine
