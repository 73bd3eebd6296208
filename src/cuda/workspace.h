// Owns how much of the device's memory one step takes, beside weights and KV cache.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "model/config.h"

namespace tercet::cuda {

// What a backend for steps of max_row rows, of at most max_sequence sequences, allocates when it is made.
int64_t workspace_bytes(const model::Config& config, int max_row, int max_sequence, backend::Precision precision);

}  // namespace tercet::cuda
