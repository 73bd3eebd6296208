// Owns what the files of the verb `contract` share.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cli11.h"
#include "cli/common.h"
#include "contract/contract.h"
#include "contract/receipt.h"
#include "contract/run.h"

namespace tercet::cli {

struct ContractOptions {
  const CLI::App* app = nullptr;
  std::string action;
  std::vector<std::string> files;
  std::vector<std::string> contracts;
  bool quick = false;
  bool is_long = false;
  std::string receipt;
  std::string out;
};

// Those of --contract (files, or ids of contracts that ship), else all that ship; each must be valid. Errors: kNotFound,
// kCorrupt.
Result<std::vector<contract::Contract>> load_contracts(const std::vector<std::string>& named);

// contract run. The exit code: kDone, kFalsified, kIncomplete.
Result<int> run_contract(const ContractOptions& options, const Common& common);

// The line of a falsifier: what came of it, its figure beside the bound.
std::string row_line(const contract::Row& row);

// What `contract verify --json` says.
boost::json::object verification_json(const contract::Verification& v);

int exit_code_of(contract::Outcome outcome);

}  // namespace tercet::cli
