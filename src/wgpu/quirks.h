// Owns what is known of the makers of GPUs and of what only plays one: how each is told from what a driver says of itself,
// and what that means here. Whatever is decided by maker is decided by this table. Knows nothing of wgpu-native.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backend/device.h"

namespace tercet::wgpu {

// What a driver says. Of Mesa's drivers some have the maker's id and some Mesa's own.
struct AdapterFacts {
  uint32_t vendor_id = 0;        // of PCI, or what Khronos gave to who is on no bus
  std::string_view device = {};  // "NVIDIA H100 PCIe", "llvmpipe (LLVM 15.0.6, 256 bits)"
  std::string_view driver = {};
  backend::DeviceKind kind = backend::DeviceKind::kUnknown;  // as the driver has it
};

struct Quirks {
  std::string_view vendor;                     // as `tercet devices` shows it
  std::array<uint32_t, 2> ids = {};            // 0: none
  std::array<std::string_view, 4> names = {};  // parts of a device's name that tell it whatever the id, in lower case
  bool is_software = false;                    // computes on the CPU, whatever type it has; `auto` never picks it
  bool has_subgroups = true;                   // whether kernels may use them where the adapter has the feature
  int subgroup_least = 0;                      // lanes of its devices, where the driver does not tell; 0: not known
  int subgroup_most = 0;
  std::string_view note = {};  // what a user should know
};

// Names of software first, then ids, then other names. Of a maker that the table does not have: no vendor, nothing known.
const Quirks& quirks_of(const AdapterFacts& facts);
std::span<const Quirks> known_quirks();

// The vendor's name, or its id in hexadecimal.
std::string vendor_of(const AdapterFacts& facts);
backend::DeviceKind kind_of(const AdapterFacts& facts);

}  // namespace tercet::wgpu
