#include "cuda/cuda.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "cuda/error.h"

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

// What a machine would have to be broken for: the runtime's answers are given, not asked for.
TEST(Cuda, NamesADriverThatIsMissingOrTooOld) {
  const auto none = check_runtime(0, cudaErrorInsufficientDriver, 0);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("no driver found, want an NVIDIA driver for CUDA "), std::string::npos)
      << none.error().message;
  const auto old = check_runtime(11040, cudaErrorInsufficientDriver, 0);
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("the driver is for CUDA 11.4, want an NVIDIA driver for CUDA " +
                                     version_text(CUDART_VERSION)),
            std::string::npos)
      << old.error().message;
  EXPECT_NE(old.error().hint.find("nvidia-smi"), std::string::npos) << old.error().hint;
  for (const cudaError_t counted : {cudaSuccess, cudaErrorNoDevice}) {
    const auto hidden = check_runtime(CUDART_VERSION, counted, 0);
    ASSERT_FALSE(hidden);
    EXPECT_NE(hidden.error().hint.find("CUDA_VISIBLE_DEVICES"), std::string::npos) << hidden.error().hint;
  }
  EXPECT_TRUE(check_runtime(CUDART_VERSION, cudaSuccess, 1));
}

TEST(Cuda, TellsFaultsByWhatCanBeDone) {
  struct Case {
    cudaError_t status;
    Code code;
    std::string_view message, hint;
  };
  const Case cases[] = {
      {cudaErrorMemoryAllocation, Code::kOutOfMemory, "want more free memory", "nvidia-smi"},
      {cudaErrorIllegalAddress, Code::kDevice, "the device is lost to this process", "start the program again"},
      {cudaErrorECCUncorrectable, Code::kDevice, "the device is lost to this process", "Xid"},
      {cudaErrorNoKernelImageForDevice, Code::kDevice, "want a build that has code for this device", "ARCHITECTURES"},
      {cudaErrorDevicesUnavailable, Code::kDevice, "want a device that is free", "nvidia-smi"},
      {cudaErrorInvalidValue, Code::kDevice, "want a working CUDA device", ""},
  };
  for (const Case& c : cases) {
    const Error error = cuda_error("copying weights", c.status).value();
    EXPECT_EQ(error.code, c.code) << error.message;
    EXPECT_TRUE(error.message.starts_with("cuda: copying weights: ")) << error.message;
    EXPECT_NE(error.message.find(c.message), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(cudaGetErrorName(c.status)), std::string::npos) << error.message;
    EXPECT_NE(error.hint.find(c.hint), std::string::npos) << error.hint;
  }
}

}  // namespace
}  // namespace tercet::cuda
