// Owns the options that every verb has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "cli/cli11.h"

namespace tercet::cli {

struct Common {
  std::string model;  // empty: the demo model
  std::string backend = "auto";
  std::string device;               // empty: of those that fit, the one with the most free memory
  std::optional<int64_t> n_thread;  // unset: all cores that may be used
  std::optional<int64_t> n_ctx;     // unset: what memory allows; 0: the trained length
  bool json = false;
  bool quiet = false;
  std::string log_level = "warn";
  std::string color = "auto";

  backend::Precision precision() const;
  int threads() const;

  // What --precision and --exact said.
  std::string precision_text = "high";
  bool exact = false;
};

// Declares them on `app`. `common` must outlive the parse.
void add_common_options(CLI::App& app, Common& common);

// What only shows after the parse: --exact against --precision, the log's level.
Status finish_common_options(const CLI::App& app, Common& common);

// The model that ships with the program, looked for beside it: where an installation puts it, and where a build in the
// source tree finds it. Errors: kNotFound, with -m as the hint.
Result<std::string> demo_model_path();
// The contracts that ship with the program, a folder beside it as the demo model is. Errors: kNotFound.
Result<std::string> contracts_path();
// -m, or the demo model.
Result<std::string> model_path(const Common& common);

}  // namespace tercet::cli
