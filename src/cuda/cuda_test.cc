#include "cuda/cuda.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tercet::cuda {
namespace {

// The same answer on every machine: with a driver its devices are hidden, before the runtime first looks.
TEST(Cuda, SaysWhatIsMissing) {
  ASSERT_EQ(setenv("CUDA_VISIBLE_DEVICES", "-1", 1), 0);
  const auto devices = list_devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Code::kDevice);
  EXPECT_TRUE(devices.error().message.starts_with("cuda: ")) << devices.error().message;
  EXPECT_NE(devices.error().message.find(", want "), std::string::npos) << devices.error().message;
  EXPECT_EQ(devices.error().message.find('\n'), std::string::npos) << devices.error().message;
}

}  // namespace
}  // namespace tercet::cuda
