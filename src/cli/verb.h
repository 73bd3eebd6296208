// Owns what a verb of the program is, and the list of those that there are.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "cli/cli11.h"
#include "cli/common.h"

namespace tercet::cli {

// Runs a verb whose options were parsed. Gives back the exit code (kDone, or another of CLI.md's that is no failure to do
// what was asked); an error is printed, and its code decides.
using Action = std::function<Result<int>()>;

struct Verb {
  std::string_view name;
  std::string_view summary;   // its line of `tercet --help`
  std::string_view examples;  // the end of its own help: lines of "  tercet VERB ..."
  // Declares the verb's options on `app`; the common ones are declared after it, into `common`, which outlives the
  // action.
  Action (*declare)(CLI::App& app, const Common& common);
};

extern const Verb kRun;
extern const Verb kServe;
extern const Verb kInspect;
extern const Verb kTokenize;
extern const Verb kTrace;
extern const Verb kBench;
extern const Verb kDevices;
extern const Verb kContract;

}  // namespace tercet::cli
