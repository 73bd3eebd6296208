// Owns a run of contracts: which falsifiers are tried on which backends, what came of each, and what that says of the
// whole.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "contract/check.h"
#include "contract/judge.h"

namespace tercet::contract {

enum class Depth { kQuick, kUsual, kLong };
std::string_view depth_name(Depth depth);  // "quick", "usual", "long"

// A backend that was asked for. Where it is not there, `absent` says why, and there is no subject.
struct Asked {
  std::string name;
  std::optional<Subject> subject;
  std::string absent;
};

struct Row {
  std::string contract;
  std::string falsifier;
  std::string backend;      // empty for a check of none
  std::string device_kind;  // of the backend's device
  Evidence evidence;
  Judgement judgement;
  double seconds = 0;
};

enum class Outcome { kHeld, kFalsified, kIncomplete };
std::string_view outcome_name(Outcome outcome);  // "HELD", "FALSIFIED", "INCOMPLETE"

struct Summary {
  Outcome outcome = Outcome::kIncomplete;
  std::vector<std::string> missing;  // why it is incomplete
};

// Whether a falsifier is tried on a backend, which is empty for those of no backend.
bool applies_to(const Contract& contract, const Falsifier& falsifier, const std::string& backend);

// A run is HELD if nothing was falsified and, of forward contracts, the parity gate of each backend that was asked for was
// held; of components, if none of their falsifiers was skipped because a backend that was asked for is not here, and where there
// are only components, if each had a falsifier that was held.
Summary summarize(const std::vector<Contract>& contracts, const std::vector<std::string>& asked,
                  const std::vector<Row>& rows);

// Called before and after each falsifier.
struct Watcher {
  std::function<void(const Row& row, size_t done, size_t total)> begins;
  std::function<void(const Row& row)> ended;
};

// All falsifiers of all contracts, backend by backend. Errors: kCancelled; what goes wrong in a check is its row's verdict.
Result<std::vector<Row>> run_contracts(const std::vector<Contract>& contracts, const std::vector<Asked>& asked,
                                       const World& world, Depth depth, const Watcher& watcher);

}  // namespace tercet::contract
