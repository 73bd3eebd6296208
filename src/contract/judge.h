// Owns the verdict on a falsifier: what its check measured beside the bounds of the contract. A receipt is judged by the
// same code as a run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "contract/check.h"
#include "contract/contract.h"

namespace tercet::contract {

enum class Verdict { kHeld, kFalsified, kSkipped };
std::string_view verdict_name(Verdict verdict);  // "HELD", "FALSIFIED", "SKIPPED"
std::optional<Verdict> parse_verdict(std::string_view name);

// A threshold beside the worst of the figures that it covers.
struct Bounded {
  std::string figure;
  std::optional<backend::Precision> precision;
  double value = 0;
  std::string where;
  std::optional<double> at_most, at_least;
  std::string unit;
  bool holds = false;
  std::string first;  // of figures in an order, the first that leaves the bound; empty if all hold or there is one

  // "relative_l2 (high) 5.8e-04 at l_out-2, want at most 2e-03"
  std::string describe() const;
};

struct Judgement {
  Verdict verdict = Verdict::kSkipped;
  std::string why;  // of what is not HELD
  std::vector<Bounded> bounds;
};

// `backend` and `kind` (device_kind_name) are those that the figures are of; empty for a check of no backend.
Judgement judge(const Falsifier& falsifier, const Evidence& evidence, std::string_view backend, std::string_view kind);

}  // namespace tercet::contract
