// The WebGPU backend on whole models: the gates, and what does not change a bit.
#include "suites/gates.h"
#include "suites/invariance.h"
#include "suites/repeat.h"
#include "wgpu_subject.h"

namespace tercet::tests {
namespace {

using backend::Precision;

INSTANTIATE_TEST_SUITE_P(Wgpu, Gates, testing::Values(on_wgpu(Precision::kExact)), name_backend);
INSTANTIATE_TEST_SUITE_P(Wgpu, GatesOnNoise,
                         testing::Values(NoiseGates{on_wgpu(Precision::kExact), model::SyntheticSize::kTiny, 256, 64}),
                         noise_name);
INSTANTIATE_TEST_SUITE_P(Wgpu, Invariance, testing::Values(on_wgpu(Precision::kExact)), name_subject);
INSTANTIATE_TEST_SUITE_P(Wgpu, Repeat, testing::Values(on_wgpu(Precision::kExact), on_wgpu(Precision::kHigh)),
                         name_subject);

}  // namespace
}  // namespace tercet::tests
