// The engine on the WebGPU backend.
#include "suites/serving.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

using backend::Precision;

INSTANTIATE_TEST_SUITE_P(
    Wgpu, Serving,
    testing::Values(ServingCase{{&wgpu::kFactory, Precision::kExact, wgpu::check_device}, 100, true},
                    ServingCase{{&wgpu::kFactory, Precision::kHigh, wgpu::check_device}, 100, false}),
    serving_name);

}  // namespace
}  // namespace tercet::tests
