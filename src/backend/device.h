// Owns what a backend says of a device it could run on: what `tercet devices` prints and what choosing one goes by; and what
// was measured of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tercet::backend {

enum class DeviceKind {
  kCpu,         // the machine's own cores, used as such
  kDiscrete,    // a GPU with memory of its own
  kIntegrated,  // a GPU that shares the machine's memory
  kSoftware,    // a GPU's interface computed by the cores (Mesa's lavapipe)
  kUnknown,     // the driver does not say
};

// A stable, lower-case name, as `tercet devices --json` carries it.
constexpr std::string_view device_kind_name(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu: return "cpu";
    case DeviceKind::kDiscrete: return "discrete";
    case DeviceKind::kIntegrated: return "integrated";
    case DeviceKind::kSoftware: return "software";
    case DeviceKind::kUnknown: break;
  }
  return "unknown";
}

// A GPU of its own before one that shares the host's memory, and what computes on the host's cores last.
constexpr int device_rank(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kDiscrete: return 3;
    case DeviceKind::kIntegrated: return 2;
    case DeviceKind::kSoftware: return 0;
    default: return 1;
  }
}

struct DeviceInfo {
  std::string backend;  // "cpu", "cuda", "wgpu"
  int index = 0;        // what --device N means: the place in its backend's list
  std::string name;     // as the driver spells it
  std::string vendor;   // lower case: "nvidia", "amd", "intel", ...; a PCI id such as "0x1af4" if it has no name here
  DeviceKind kind = DeviceKind::kUnknown;
  std::optional<uint64_t> memory_total;  // bytes; nothing where the interface does not tell (WebGPU)
  std::optional<uint64_t> memory_free;   // bytes, at the time of the call
  // Facts by name, in the order in which they are to be shown; numbers are in decimal, sizes in bytes.
  std::vector<std::pair<std::string, std::string>> limits;
  std::vector<std::string> features;  // what it can do beyond the least: "shader-f16", "subgroups", ...
  std::string why_not;  // why no model can run on it: "compute capability 7.5, want 8.0 or more"; empty if one can
};

// How many operations a second a device does with nothing to read: the roof that products are held against.
struct Arithmetic {
  double flops_per_second = 0;  // of products: a multiplication and an addition are two
  std::string what;             // which of its instructions: "f16 products added up in f32 on tensor cores"
};

}  // namespace tercet::backend
