// Owns the way from a file to a contract, and the contracts that ship with the program.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "contract/rules.h"

namespace tercet::contract {

struct Loaded {
  std::optional<Contract> contract;  // nothing if the file is no YAML or no map
  Findings findings;                 // of every rule, in the file's order
};

// Reads and validates. Errors: kNotFound, kIo: what a file holds is a finding, never an error.
Result<Loaded> load_contract(const std::string& path);
// The same of a text, which `path` stands for in messages and in rule C007.
Loaded parse_contract(const std::string& path, std::string_view text);

// One that must be valid. Errors: those above; kCorrupt with the first finding.
Result<Contract> load_valid_contract(const std::string& path);

// The *.yaml in a folder, by name. Errors: kNotFound, if there are none.
Result<std::vector<std::string>> list_contracts(const std::string& folder);

}  // namespace tercet::contract
