// Owns the question whether a model fits a device, asked without loading it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/common.h"
#include "model/weights.h"

namespace tercet::cli {

struct Fit {
  std::string backend;
  std::string device;
  bool runs_models = false;  // whether this version runs anything there
  bool fits = false;
  int n_ctx = 0;       // the context that would be had: --ctx, or the most that fits
  int64_t n_byte = 0;  // weights, and the KV cache of n_ctx tokens
  std::optional<uint64_t> memory_free;
};

// A line for each device of each backend that was found here, `ref` apart, which runs on the CPU as `cpu` does. Errors:
// kInvalidArgument for a --ctx beyond the trained length; kIo if the system does not tell its memory.
Result<std::vector<Fit>> fit_everywhere(const model::Model& model, const Common& common);

}  // namespace tercet::cli
