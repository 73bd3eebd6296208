#include <gtest/gtest.h>

#include "cuda/cuda.h"

namespace tercet::cuda {
namespace {

TEST(CudaAbsent, SaysSo) {
  const auto devices = list_devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Code::kDevice);
  EXPECT_EQ(devices.error().message, "cuda: this build has no CUDA, want a build with nvcc (TERCET_CUDA=on)");
}

}  // namespace
}  // namespace tercet::cuda
