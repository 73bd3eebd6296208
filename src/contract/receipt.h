// Owns receipts: what a run of contracts leaves behind, as JSON, so that somebody else can check its figures against the
// thresholds. docs/contract.md gives the keys.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "contract/contract.h"
#include "contract/roofline.h"
#include "contract/run.h"
#include "model/config.h"

namespace tercet::contract {

// The file that was run, and its shape.
struct ModelMark {
  std::string file;  // its name without folders
  std::string sha256;
  int64_t n_byte = 0;
  std::string name, architecture;
  std::vector<std::pair<std::string, int64_t>> shape;  // by name: "n_layer", ...
};
ModelMark mark_of(const model::Config& config);  // without what only the file says

struct DeviceMark {
  std::string backend, name, kind, vendor, driver;
};

struct ContractMark {
  std::string id, version, sha256;
};

struct Receipt {
  std::string program_version, commit;
  std::string made_at;  // UTC, ISO 8601
  std::string host;     // the processor's name
  std::string depth;
  ModelMark model;
  std::vector<std::string> asked;  // backends
  std::vector<DeviceMark> devices;
  std::vector<ContractMark> contracts;
  std::vector<Row> rows;
  std::vector<Roofline> rooflines;  // none in receipts of programs that did not measure them
  Summary summary;
};

boost::json::object to_json(const Receipt& receipt);
// Errors: kCorrupt, with the key; kUnsupported for a version of the form that this program does not know.
Result<Receipt> parse_receipt(std::string_view text);
// Errors: those above, kNotFound, kIo, kLimit.
Result<Receipt> read_receipt(const std::string& path);

// A receipt beside the contracts that are here now.
struct Verification {
  Outcome outcome = Outcome::kIncomplete;   // of its figures against the thresholds that are here
  std::vector<std::string> changes;         // contracts that are not those of the receipt any more, or not here
  std::vector<std::string> contradictions;  // where the receipt claims what its own figures deny
  std::vector<Row> rows;                    // judged anew
  std::vector<std::string> missing;
};
Verification verify(const Receipt& receipt, const std::vector<Contract>& contracts);

}  // namespace tercet::contract
