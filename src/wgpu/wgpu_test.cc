#include "wgpu/wgpu.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tercet::wgpu {
namespace {

// The same answer on every machine that has Vulkan alone: its drivers are hidden before the loader first looks.
TEST(Wgpu, SaysWhatIsMissing) {
  for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) ASSERT_EQ(setenv(name, "/nonexistent.json", 1), 0);
  const auto devices = list_devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Code::kDevice);
  EXPECT_EQ(devices.error().message, "wgpu: no adapter found, want a GPU with a Vulkan driver");
  EXPECT_FALSE(devices.error().hint.empty());
}

}  // namespace
}  // namespace tercet::wgpu
