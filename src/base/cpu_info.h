// Owns what the host says of itself: the processor's name, its cores, the memory that is free.
#pragma once

#include <cstdint>
#include <string>

namespace tercet {

// "AMD EPYC 9B14", or "unknown CPU".
std::string cpu_name();

// Cores that this process may use: its affinity mask, and the quota of its control group rounded up. At least 1.
int n_usable_cpu();

// Bytes of memory this process can still take without swapping: MemAvailable, or what is left of the control group's
// limit if that is less. 0 if neither can be read.
int64_t memory_available();
int64_t memory_total();

}  // namespace tercet
