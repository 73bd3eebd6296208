// Seeded faults on the CUDA backend.
#include "cpu/cpu.h"
#include "cuda/cuda.h"
#include "faults/faults_test.h"

namespace tercet::tests {
namespace {

TEST(SeededFaults, EachIsCaught) {
  if (const Status there = cuda::check_device(0); !there) GTEST_SKIP() << there.error().message;
  const auto devices = cuda::list_devices();
  ASSERT_TRUE(devices) << devices.error().message;
  Faults(cuda::kFactory, devices->front(), cpu::kFactory, "qwen3-moe-forward-gpu-v1").run();
}

}  // namespace
}  // namespace tercet::tests
