// Seeded faults on the WebGPU backend.
#include "cpu/cpu.h"
#include "faults/faults_test.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

TEST(SeededFaults, EachIsCaught) {
  if (const Status there = wgpu::check_device(0); !there) GTEST_SKIP() << there.error().message;
  const auto devices = wgpu::list_devices();
  ASSERT_TRUE(devices) << devices.error().message;
  Faults(wgpu::kFactory, devices->front(), cpu::kFactory, "qwen3-moe-forward-gpu-v1").run();
}

}  // namespace
}  // namespace tercet::tests
