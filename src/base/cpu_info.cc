#include "base/cpu_info.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

namespace tercet {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// "Key:   123 kB" of /proc/meminfo, in bytes; 0 if it is not there.
int64_t meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(key + ":")) continue;
    std::istringstream words(line.substr(key.size() + 1));
    int64_t kib = 0;
    words >> kib;
    return kib * 1024;
  }
  return 0;
}

// A control group v2 file that holds one number, or "max".
int64_t cgroup_number(const char* path) {
  std::ifstream file(path);
  int64_t value = kNoLimit;
  if (!(file >> value)) return kNoLimit;
  return value;
}

}  // namespace

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

int n_usable_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                       : static_cast<int>(std::thread::hardware_concurrency());
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  double limit = 0;
  double period = 0;
  if (quota >> limit >> period && period > 0) n = std::min(n, static_cast<int>(std::ceil(limit / period)));
  return std::max(n, 1);
}

int64_t memory_available() {
  const int64_t available = meminfo("MemAvailable");
  const int64_t limit = cgroup_number("/sys/fs/cgroup/memory.max");
  const int64_t used = cgroup_number("/sys/fs/cgroup/memory.current");
  if (limit == kNoLimit || used == kNoLimit) return available;
  return std::min(available, std::max<int64_t>(limit - used, 0));
}

int64_t memory_total() { return std::min(meminfo("MemTotal"), cgroup_number("/sys/fs/cgroup/memory.max")); }

}  // namespace tercet
