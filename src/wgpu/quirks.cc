#include "wgpu/quirks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace tercet::wgpu {
namespace {

constexpr std::string_view kSlow = "computes on the CPU: for tests, and never picked by auto";

// Those without a note have shown nothing yet; but for NVIDIA and llvmpipe none has been measured here.
constexpr Quirks kTable[] = {
    {.vendor = "mesa",
     .names = {"llvmpipe", "lavapipe"},
     .is_software = true,
     .subgroup_least = 4,
     .subgroup_most = 16,
     .note = kSlow},
    {.vendor = "google", .ids = {0x1ae0}, .names = {"swiftshader"}, .is_software = true, .note = kSlow},
    {.vendor = "microsoft", .names = {"basic render driver"}, .is_software = true, .note = kSlow},
    {.vendor = "nvidia",
     .ids = {0x10de},
     .names = {"nvidia", "geforce"},
     .subgroup_least = 32,
     .subgroup_most = 32,
     .note = "a headless machine also wants the X client libraries that its Vulkan driver loads"},
    {.vendor = "amd", .ids = {0x1002, 0x1022}, .names = {"radeon", "amd "}, .subgroup_least = 32, .subgroup_most = 64},
    {.vendor = "intel", .ids = {0x8086}, .names = {"intel"}, .subgroup_least = 8, .subgroup_most = 32},
    {.vendor = "apple", .ids = {0x106b}, .names = {"apple"}, .subgroup_least = 32, .subgroup_most = 32},
    {.vendor = "qualcomm",
     .ids = {0x5143, 0x4d4f4351},
     .names = {"adreno", "qualcomm", "snapdragon"},
     .has_subgroups = false,
     .subgroup_least = 64,
     .subgroup_most = 128,
     .note = "subgroups are left alone: a kernel's size may be either of two"},
    {.vendor = "arm", .ids = {0x13b5}, .names = {"mali"}, .subgroup_least = 4, .subgroup_most = 16},
    {.vendor = "imagination", .ids = {0x1010}, .names = {"powervr"}},
    {.vendor = "broadcom", .ids = {0x14e4}, .names = {"v3d"}},
    {.vendor = "microsoft", .ids = {0x1414}},
    {.vendor = "mesa", .ids = {0x10005}},
};
constexpr Quirks kUnknown = {};

bool contains(std::string_view text, std::string_view part) {
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
  return !std::ranges::search(text, part, same).empty();
}

bool is_named(const Quirks& quirks, std::string_view device) {
  return std::ranges::any_of(quirks.names,
                             [&](std::string_view name) { return !name.empty() && contains(device, name); });
}

}  // namespace

std::span<const Quirks> known_quirks() { return kTable; }

const Quirks& quirks_of(const AdapterFacts& facts) {
  for (const Quirks& quirks : kTable)
    if (quirks.is_software && (is_named(quirks, facts.device) || is_named(quirks, facts.driver))) return quirks;
  const Quirks* by_id = nullptr;
  for (const Quirks& quirks : kTable)
    if (by_id == nullptr && facts.vendor_id != 0 && std::ranges::find(quirks.ids, facts.vendor_id) != quirks.ids.end())
      by_id = &quirks;
  // Mesa's and Microsoft's ids say who wrote the driver, and not whose GPU it drives.
  if (by_id != nullptr && !by_id->names[0].empty()) return *by_id;
  for (const Quirks& quirks : kTable)
    if (!quirks.is_software && is_named(quirks, facts.device)) return quirks;
  return by_id != nullptr ? *by_id : kUnknown;
}

std::string vendor_of(const AdapterFacts& facts) {
  const Quirks& quirks = quirks_of(facts);
  return quirks.vendor.empty() ? fmt::format("{:#x}", facts.vendor_id) : std::string(quirks.vendor);
}

backend::DeviceKind kind_of(const AdapterFacts& facts) {
  return quirks_of(facts).is_software ? backend::DeviceKind::kSoftware : facts.kind;
}

}  // namespace tercet::wgpu
