// The CUDA backend on whole models: the gates, and what does not change a bit.
#include "cuda/cuda.h"
#include "suites/gates.h"
#include "suites/invariance.h"
#include "suites/repeat.h"

namespace tercet::tests {
namespace {

using backend::Precision;

Subject on_cuda(Precision precision) { return {&cuda::kFactory, precision, cuda::check_device}; }

INSTANTIATE_TEST_SUITE_P(Cuda, Gates, testing::Values(on_cuda(Precision::kExact)), name_backend);
// ref is what takes the time, on the host: 4,096 positions of tiny and 64 of mid are in heavy_gates_test.
INSTANTIATE_TEST_SUITE_P(Cuda, GatesOnNoise,
                         testing::Values(NoiseGates{on_cuda(Precision::kExact), model::SyntheticSize::kTiny, 256, 64},
                                         NoiseGates{on_cuda(Precision::kExact), model::SyntheticSize::kMid, 20, 9}),
                         noise_name);

INSTANTIATE_TEST_SUITE_P(Cuda, Invariance, testing::Values(on_cuda(Precision::kExact)), name_subject);
INSTANTIATE_TEST_SUITE_P(Cuda, Repeat,
                         testing::Values(on_cuda(Precision::kExact), on_cuda(Precision::kHigh),
                                         on_cuda(Precision::kFast)),
                         name_subject);

}  // namespace
}  // namespace tercet::tests
