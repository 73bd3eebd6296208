// Owns how long a device takes for launches of a kernel, as the host sees it: as many in one pass as make the host's own share
// small.
#pragma once

#include <cstdint>

#include "wgpu/context.h"

namespace tercet::wgpu {

struct Launch {
  const Kernel* kernel;
  WGPUBindGroup input, group;  // groups 0 and 1
  uint32_t n_group;            // of threads
};

// Milliseconds from before the submission until the host knows that the device is done. Errors: as Context::status().
Result<double> pass_ms(Context& context, const Launch& launch, int n_launch);

// The best of several passes of about 20 ms, or of 256 launches where those are over before: milliseconds a launch.
Result<double> best_launch_ms(Context& context, const Launch& launch);

}  // namespace tercet::wgpu
