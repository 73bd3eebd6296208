// The WebGPU backend on whole models: the gates, and what does not change a bit. On an adapter that computes on the CPU
// the long text of the gates takes minutes, so that it has a program of its own (wgpu_gates_test).
#include "suites/gates.h"
#include "suites/invariance.h"
#include "suites/repeat.h"
#include "wgpu/wgpu.h"

namespace tercet::tests {
namespace {

using backend::Precision;

Subject on_wgpu(Precision precision) { return {&wgpu::kFactory, precision, wgpu::check_device}; }

INSTANTIATE_TEST_SUITE_P(Wgpu, Gates, testing::Values(on_wgpu(Precision::kExact)), name_backend);
INSTANTIATE_TEST_SUITE_P(Wgpu, GatesOnNoise,
                         testing::Values(NoiseGates{on_wgpu(Precision::kExact), model::SyntheticSize::kTiny, 33, 33}),
                         noise_name);
INSTANTIATE_TEST_SUITE_P(Wgpu, Invariance, testing::Values(on_wgpu(Precision::kExact), on_wgpu(Precision::kHigh)),
                         name_subject);
INSTANTIATE_TEST_SUITE_P(Wgpu, Repeat, testing::Values(on_wgpu(Precision::kExact), on_wgpu(Precision::kHigh)),
                         name_subject);

}  // namespace
}  // namespace tercet::tests
