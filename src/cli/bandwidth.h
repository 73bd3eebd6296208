// Owns the measure that decoding is held against: how fast this machine's cores can read memory.
#pragma once

#include "base/thread_pool.h"

namespace tercet::cli {

// Bytes a second, read by all threads of the pool together from a buffer that no cache holds: the best of several passes
// within about 0.3 s. 0 if there is no memory for the buffer.
double measure_read_bandwidth(ThreadPool& pool);

}  // namespace tercet::cli
