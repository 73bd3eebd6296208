// Owns how the verbs show whether a model fits a device.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/choice.h"
#include "model/weights.h"

namespace tercet::cli {

// What each device of each backend that was found here says, `ref` apart, which runs on the CPU as `cpu` does. Errors:
// kInvalidArgument for a --ctx beyond the trained length.
Result<std::vector<Candidate>> fit_everywhere(const model::Model& model, const Demand& demand);

// "fits, with 2048 tokens of context: 35.1 MiB weights + 8.0 MiB KV cache + 40.2 MiB workspace of 20.1 GiB free"
std::string fit_text(const Candidate& candidate);
boost::json::object fit_json(const Candidate& candidate);

}  // namespace tercet::cli
