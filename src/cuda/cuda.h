// Owns what the rest of Tercet sees of CUDA. This version lists the devices; it runs no model on them.
#pragma once

#include <vector>

#include "backend/device.h"
#include "base/result.h"

namespace tercet::cuda {

// The CUDA devices, in the runtime's order. Asks each for its free memory, which opens a context on it for the process.
// Errors: kDevice if the build has no CUDA, or there is no driver, none that is new enough, or no device.
Result<std::vector<backend::DeviceInfo>> list_devices();

}  // namespace tercet::cuda
