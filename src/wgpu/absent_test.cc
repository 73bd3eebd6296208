#include <gtest/gtest.h>

#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

TEST(WgpuAbsent, SaysSo) {
  const auto devices = list_devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Code::kDevice);
  EXPECT_EQ(devices.error().message, "wgpu: this build has no WebGPU, want a build with wgpu-native (TERCET_WGPU=on)");
  EXPECT_FALSE(measure_read_bandwidth(0));
  EXPECT_FALSE(measure_arithmetic(0, 1));
}

}  // namespace
}  // namespace tercet::wgpu
