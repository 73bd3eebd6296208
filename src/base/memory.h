// Owns what the machine says of its memory, and how amounts of it are written.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace tercet {

// Bytes that this process may still use without swapping: MemAvailable, or less where a control group (v2 or v1) allows
// less; file pages in a group's count do not stand in the way. The folders are parameters for the tests. Errors: kIo if
// the system does not say.
Result<int64_t> available_memory(const std::string& proc = "/proc", const std::string& cgroup = "/sys/fs/cgroup");

// The same, 0 where the system does not say.
int64_t memory_available();
int64_t memory_total();

// "17.3 GiB", "512 B"
std::string format_bytes(double n_byte);
template <std::integral T>
std::string format_bytes(T n_byte) {
  return format_bytes(static_cast<double>(n_byte));
}

}  // namespace tercet
