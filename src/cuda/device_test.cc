#include <gtest/gtest.h>

#include "cuda/cuda.h"

namespace tercet::cuda {
namespace {

TEST(CudaDevice, ListsWhatIsThere) {
  const auto devices = list_devices();
  if (!devices) GTEST_SKIP() << devices.error().message;
  ASSERT_FALSE(devices->empty());
  for (size_t i = 0; i < devices->size(); ++i) {
    const backend::DeviceInfo& device = (*devices)[i];
    EXPECT_EQ(device.backend, "cuda");
    EXPECT_EQ(device.index, static_cast<int>(i));
    EXPECT_FALSE(device.name.empty());
    EXPECT_EQ(device.vendor, "nvidia");
    EXPECT_NE(device.kind, backend::DeviceKind::kUnknown);
    ASSERT_TRUE(device.memory_total && device.memory_free);
    EXPECT_GT(*device.memory_total, 0u);
    EXPECT_LE(*device.memory_free, *device.memory_total);
    for (const auto& [name, value] : device.limits) EXPECT_FALSE(value.empty()) << name;
  }
}

}  // namespace
}  // namespace tercet::cuda
