// Owns what the host says of itself: the processor's name, and the cores that may be used.
#pragma once

#include <cstdint>
#include <string>

namespace tercet {

// "AMD EPYC 9B14", or "unknown CPU".
std::string cpu_name();

// Cores that this process may use: its affinity mask, and the quota of its control group rounded up. At least 1.
int n_usable_cpu();

}  // namespace tercet
