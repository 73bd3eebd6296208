#include "engine/fair_share.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace tercet::engine {

void FairShare::enter(std::string_view owner) {
  const auto it = accounts_.try_emplace(std::string(owner)).first;
  Account& account = it->second;
  if (account.n_request == 0) {
    std::optional<int64_t> least;
    for (const auto& [name, other] : accounts_)
      if (other.n_request > 0) least = std::min(least.value_or(other.n_served), other.n_served);
    account.n_served = std::max(account.n_served, least.value_or(0));
  }
  ++account.n_request;
  ++n_request_;
}

void FairShare::leave(std::string_view owner) {
  const auto it = accounts_.find(owner);
  CHECK(it != accounts_.end() && it->second.n_request > 0);
  --it->second.n_request;
  if (--n_request_ == 0) accounts_.clear();
}

void FairShare::promise(std::string_view owner, int64_t n_token) {
  const auto it = accounts_.find(owner);
  CHECK(it != accounts_.end());
  it->second.n_promised += n_token;
}

void FairShare::charge(std::string_view owner, int64_t n_token, int64_t n_promised) {
  promise(owner, -n_promised);
  accounts_.find(owner)->second.n_served += n_token;
}

int64_t FairShare::rank(std::string_view owner) const {
  const auto it = accounts_.find(owner);
  return it == accounts_.end() ? 0 : it->second.n_served + it->second.n_promised;
}

}  // namespace tercet::engine
