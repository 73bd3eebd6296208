// Owns what the rest of Tercet sees of CUDA.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"

namespace tercet::cuda {

// Errors of make: kDevice if the build has no CUDA, or Options::device is not there or too old; kOutOfMemory; kIo.
extern const backend::Factory kFactory;

// The CUDA devices, in the runtime's order. Asks each for its free memory, which opens a context on it for the process.
// Those of a compute capability below 8.0 have a why_not.
// Errors: kDevice if the build has no CUDA, or there is no driver, none that is new enough, or no device.
Result<std::vector<backend::DeviceInfo>> list_devices();

// That a model can be run on the device of that index. Errors: kDevice, naming it.
Status check_device(int device);

// Bytes a second that the device reads of its own memory, the median of several passes over a buffer of 4 GiB, or of half
// of what is free where that is less. Errors: kDevice, kOutOfMemory.
Result<double> measure_read_bandwidth(int device);

// What all of its multiprocessors do at most of the products of prompts in `high`: the median of several passes of 10 ms. No
// thread of the host has a part in it. Errors: kDevice, kOutOfMemory.
Result<backend::Arithmetic> measure_arithmetic(int device, int n_thread);

}  // namespace tercet::cuda
