// Owns the measure that decoding is held against: how fast this machine's cores can read memory.
#pragma once

#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/choice.h"

namespace tercet::cli {

// Bytes a second, read by all threads of the pool together from a buffer that no cache holds: the best of several passes
// within about 0.3 s. 0 if there is no memory for the buffer.
double measure_read_bandwidth(ThreadPool& pool);

// Whether a device has memory of its own that can be measured: what computes on the CPU reads the host's.
bool has_own_bandwidth(const BackendEntry& entry, const backend::DeviceInfo& device);

// Bytes a second of the memory that the device has the weights in: its own, or the host's by `n_thread` threads; 0 for a GPU
// that cannot be asked. Errors: those of the entry's read_bandwidth.
Result<double> read_bandwidth_of(const BackendEntry& entry, const backend::DeviceInfo& device, int n_thread);

}  // namespace tercet::cli
