#include "wgpu/quirks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace tercet::wgpu {
namespace {

using backend::DeviceKind;

struct Case {
  AdapterFacts facts;
  std::string vendor;
  DeviceKind kind;
};

// As their drivers spell themselves.
TEST(Quirks, TellsWhoseItIs) {
  const Case cases[] = {
      {{0x10de, "NVIDIA H100 PCIe", "NVIDIA 580.95.05", DeviceKind::kDiscrete}, "nvidia", DeviceKind::kDiscrete},
      {{0x10de, "NVIDIA GeForce RTX 4090 (NVK AD102)", "Mesa 25.1", DeviceKind::kDiscrete},
       "nvidia",
       DeviceKind::kDiscrete},
      {{0x1002, "AMD Radeon RX 7900 XTX (RADV NAVI31)", "Mesa 24.0", DeviceKind::kDiscrete},
       "amd",
       DeviceKind::kDiscrete},
      {{0x8086, "Intel(R) Arc(tm) A770 Graphics (DG2)", "Mesa", DeviceKind::kDiscrete}, "intel", DeviceKind::kDiscrete},
      {{0x8086, "Intel(R) UHD Graphics 770", "", DeviceKind::kIntegrated}, "intel", DeviceKind::kIntegrated},
      {{0x106b, "Apple M3 Max", "", DeviceKind::kIntegrated}, "apple", DeviceKind::kIntegrated},
      {{0x10005, "Apple M1 (G13G B1)", "Mesa 25.1", DeviceKind::kIntegrated}, "apple", DeviceKind::kIntegrated},
      {{0x5143, "Adreno (TM) 740", "", DeviceKind::kIntegrated}, "qualcomm", DeviceKind::kIntegrated},
      {{0x5143, "Turnip Adreno (TM) 740", "turnip Mesa", DeviceKind::kIntegrated}, "qualcomm", DeviceKind::kIntegrated},
      {{0x10005, "llvmpipe (LLVM 15.0.6, 256 bits)", "Mesa 22.3.6", DeviceKind::kSoftware},
       "mesa",
       DeviceKind::kSoftware},
      // Whatever a driver says of its type.
      {{0x10005, "LLVMPIPE (LLVM 19)", "", DeviceKind::kUnknown}, "mesa", DeviceKind::kSoftware},
      {{0x10005, "Mesa software", "lavapipe", DeviceKind::kIntegrated}, "mesa", DeviceKind::kSoftware},
      {{0x1ae0, "SwiftShader Device (LLVM 10.0.0)", "", DeviceKind::kSoftware}, "google", DeviceKind::kSoftware},
      {{0x1414, "Microsoft Basic Render Driver", "", DeviceKind::kUnknown}, "microsoft", DeviceKind::kSoftware},
      {{0x1414, "Microsoft Direct3D12 (NVIDIA RTX A2000)", "", DeviceKind::kDiscrete}, "nvidia", DeviceKind::kDiscrete},
      {{0x10005, "some new driver", "", DeviceKind::kIntegrated}, "mesa", DeviceKind::kIntegrated},
      {{0x1af4, "Virtio-GPU", "", DeviceKind::kUnknown}, "0x1af4", DeviceKind::kUnknown},
      {{0, "", "", DeviceKind::kUnknown}, "0x0", DeviceKind::kUnknown},
      // An id tells more than a name does.
      {{0x1002, "not an NVIDIA", "", DeviceKind::kDiscrete}, "amd", DeviceKind::kDiscrete},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(vendor_of(c.facts), c.vendor) << c.facts.device;
    EXPECT_EQ(kind_of(c.facts), c.kind) << c.facts.device;
  }
}

TEST(Quirks, SoftwareAndNothingElseIsSoftware) {
  std::set<std::string_view> software;
  for (const Quirks& quirks : known_quirks())
    if (quirks.is_software) software.insert(quirks.vendor);
  EXPECT_EQ(software, (std::set<std::string_view>{"mesa", "google", "microsoft"}));
  for (const uint32_t id : {0x10deU, 0x1002U, 0x8086U, 0x106bU, 0x5143U, 0x10005U, 0x1414U})
    EXPECT_FALSE(quirks_of({.vendor_id = id, .device = "a GPU"}).is_software) << id;
}

TEST(Quirks, TheTableIsWellFormed) {
  std::set<uint32_t> ids;
  for (const Quirks& quirks : known_quirks()) {
    EXPECT_FALSE(quirks.vendor.empty());
    for (const uint32_t id : quirks.ids) EXPECT_TRUE(id == 0 || ids.insert(id).second) << std::hex << id;
    for (const std::string_view name : quirks.names)
      EXPECT_TRUE(std::ranges::none_of(name, [](unsigned char c) { return std::isupper(c) != 0; })) << name;
    EXPECT_LE(quirks.subgroup_least, quirks.subgroup_most) << quirks.vendor;
  }
}

}  // namespace
}  // namespace tercet::wgpu
