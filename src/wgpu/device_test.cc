#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

TEST(WgpuDevice, ListsWhatIsThere) {
  const auto devices = list_devices();
  if (!devices) GTEST_SKIP() << devices.error().message;
  ASSERT_FALSE(devices->empty());
  for (size_t i = 0; i < devices->size(); ++i) {
    const backend::DeviceInfo& device = (*devices)[i];
    EXPECT_EQ(device.backend, "wgpu");
    EXPECT_EQ(device.index, static_cast<int>(i));
    EXPECT_FALSE(device.name.empty());
    EXPECT_FALSE(device.vendor.empty());
    // WebGPU does not tell; software has the host's.
    EXPECT_EQ(device.memory_total.has_value(), device.kind == backend::DeviceKind::kSoftware);
    const auto limit = std::find_if(device.limits.begin(), device.limits.end(),
                                    [](const auto& entry) { return entry.first == "maxStorageBufferBindingSize"; });
    ASSERT_NE(limit, device.limits.end());
    EXPECT_GE(std::stoull(limit->second), 128u << 20) << "the least that WebGPU promises";
  }
}

// A leak or a second look that answers differently would show up here.
TEST(WgpuDevice, AnswersTheSameTwice) {
  const auto first = list_devices();
  if (!first) GTEST_SKIP() << first.error().message;
  const auto second = list_devices();
  ASSERT_TRUE(second);
  ASSERT_EQ(first->size(), second->size());
  for (size_t i = 0; i < first->size(); ++i) {
    EXPECT_EQ((*first)[i].name, (*second)[i].name);
    EXPECT_EQ((*first)[i].features, (*second)[i].features);
  }
}

TEST(WgpuDevice, TheBandwidthIsThatOfMemory) {
  if (const Status there = check_device(0); !there) GTEST_SKIP() << there.error().message;
  const auto bandwidth = measure_read_bandwidth(0);
  ASSERT_TRUE(bandwidth) << bandwidth.error().message;
  EXPECT_GT(*bandwidth, 1e8);
  EXPECT_LT(*bandwidth, 1e14);
  const auto absent = measure_read_bandwidth(1000);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Code::kDevice);
}

TEST(WgpuDevice, TheArithmeticIsThatOfAMachine) {
  if (const Status there = check_device(0); !there) GTEST_SKIP() << there.error().message;
  const auto most = measure_arithmetic(0, 1);
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_GT(most->flops_per_second, 1e8);
  EXPECT_LT(most->flops_per_second, 1e15);
  EXPECT_EQ(most->what, "fused multiply-adds in f32");
  EXPECT_FALSE(measure_arithmetic(1000, 1));
}

TEST(WgpuDevice, SaysNothingOnASystemWithoutADesktop) {
  ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
  testing::internal::CaptureStderr();
  const auto devices = list_devices();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  if (!devices) GTEST_SKIP() << devices.error().message;
}

}  // namespace
}  // namespace tercet::wgpu
