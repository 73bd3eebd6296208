// Owns what every backend asks of a batch. What is malformed in one is our own bug.
#pragma once

#include "backend/backend.h"

namespace tercet::backend {

// CHECKs sizes, slots, pages, tokens and positions against the limits.
void check_batch(const Batch& batch, const Limits& limits, int n_vocab);

}  // namespace tercet::backend
