#include <gtest/gtest.h>

#include "cuda/cuda.h"

namespace tercet::cuda {
namespace {

TEST(CudaAbsent, SaysSo) {
  const auto devices = list_devices();
  ASSERT_FALSE(devices);
  EXPECT_EQ(devices.error().code, Code::kDevice);
  EXPECT_EQ(devices.error().message, "cuda: this build has no CUDA, want a build with nvcc (TERCET_CUDA=on)");
  EXPECT_EQ(devices.error().hint, "--backend cpu runs without one");
}

TEST(CudaAbsent, MakesNothing) {
  const auto backend = kFactory.make(nullptr, {});
  ASSERT_FALSE(backend);
  EXPECT_EQ(backend.error().code, Code::kDevice);
  EXPECT_FALSE(check_device(0));
  EXPECT_FALSE(measure_read_bandwidth(0));
  EXPECT_FALSE(measure_arithmetic(0, 1));
}

}  // namespace
}  // namespace tercet::cuda
