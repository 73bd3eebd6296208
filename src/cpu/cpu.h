// Owns the way to the CPU backend.
#pragma once

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"

namespace tercet::cpu {

extern const backend::Factory kFactory;

// What that many threads do at most of the products of `high`, with nothing to read: the best of several passes within about
// 0.2 s. There is one device. Errors: kDevice.
Result<backend::Arithmetic> measure_arithmetic(int device, int n_thread);

}  // namespace tercet::cpu
