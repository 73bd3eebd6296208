#include "base/memory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

namespace tercet {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

std::optional<std::string> read_text(const std::string& path) {
  const std::ifstream in(path);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The number at the start of a text; v1 writes "no limit" as one near 2^63.
std::optional<int64_t> leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value < 0) return std::nullopt;
  return value;
}

std::optional<int64_t> read_number(const std::string& path) {
  const auto text = read_text(path);
  return text ? leading_number(*text) : std::nullopt;
}

// The number after `name` at the start of a line.
std::optional<int64_t> field(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name)) return leading_number(std::string_view(line).substr(name.size()));
  return std::nullopt;
}

// File pages are counted, yet they go when memory is asked for.
int64_t reclaimable(const std::string& stat_path) {
  const auto stat = read_text(stat_path);
  if (!stat) return 0;
  return field(*stat, "inactive_file ").value_or(0) + field(*stat, "active_file ").value_or(0);
}

struct Names {
  const char *limit, *usage;
};
constexpr Names kV2 = {"/memory.max", "/memory.current"};
constexpr Names kV1 = {"/memory.limit_in_bytes", "/memory.usage_in_bytes"};

int64_t room_in(const std::string& folder, const Names& names) {
  const auto limit = read_number(folder + names.limit);  // "max" is no number
  const auto usage = read_number(folder + names.usage);
  if (!limit || !usage) return kNoLimit;
  const int64_t used = std::max<int64_t>(*usage - reclaimable(folder + "/memory.stat"), 0);
  return std::max<int64_t>(*limit - used, 0);
}

// The least room of a group and those above it. Inside a container the path may name a folder that is only visible
// outside; the root that is mounted here is then the group itself.
int64_t least_room(const std::string& root, std::string path, const Names& names) {
  int64_t room = room_in(root, names);
  while (path.size() > 1) {
    room = std::min(room, room_in(root + path, names));
    path.resize(path.rfind('/'));
  }
  return room;
}

// /proc/self/cgroup: "0::/user.slice/x" for v2, "4:memory:/x" for v1.
int64_t cgroup_room(const std::string& groups, const std::string& cgroup) {
  int64_t room = kNoLimit;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") room = std::min(room, least_room(cgroup, path, kV2));
    if (controllers.find(",memory,") != std::string::npos)
      room = std::min(room, least_room(cgroup + "/memory", path, kV1));
  }
  return room;
}

}  // namespace

Result<int64_t> available_memory(const std::string& proc, const std::string& cgroup) {
  const auto info = read_text(proc + "/meminfo");
  const auto kib = info ? field(*info, "MemAvailable:") : std::nullopt;
  if (!kib || *kib > kNoLimit / 1024) return error(Code::kIo, "{}/meminfo: no MemAvailable, want one in kB", proc);
  const auto groups = read_text(proc + "/self/cgroup");
  return std::min(*kib * 1024, groups ? cgroup_room(*groups, cgroup) : kNoLimit);
}

int64_t memory_available() { return available_memory().value_or(0); }

int64_t memory_total() {
  const auto info = read_text("/proc/meminfo");
  const int64_t kib = info ? field(*info, "MemTotal:").value_or(0) : 0;
  return std::min(kib * 1024, read_number("/sys/fs/cgroup/memory.max").value_or(kNoLimit));
}

std::string format_bytes(double n_byte) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  while (n_byte >= 1024 && unit + 1 < kUnits.size()) {
    n_byte /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", n_byte) : fmt::format("{:.1f} {}", n_byte, kUnits[unit]);
}

}  // namespace tercet
