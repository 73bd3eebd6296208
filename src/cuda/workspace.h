// Owns how the values of a step lie in the device's memory, and so how much of it one step takes beside weights and KV cache.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "cuda/context.h"
#include "model/config.h"

namespace tercet::cuda {

// Where everything but the logits lies from `base` on, each at a multiple of 256 bytes, and how many bytes that is.
struct Workspace {
  Buffers buffers;
  int64_t n_byte;
};
Workspace place_workspace(const model::Config& config, int max_row, int max_sequence, uint8_t* base);

// What a backend for steps of max_row rows, of at most max_sequence sequences, allocates when it is made: that, the logits
// of max_sequence rows, and what sampling needs.
int64_t workspace_bytes(const model::Config& config, int max_row, int max_sequence);

}  // namespace tercet::cuda
