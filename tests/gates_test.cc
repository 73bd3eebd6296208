// The gates of the CPU backend. heavy_gates_test.cc has them on larger models of noise.
#include "suites/gates.h"

#include "cpu/cpu.h"

namespace tercet::tests {
namespace {

const Subject kCpu = {&cpu::kFactory, backend::Precision::kExact};

INSTANTIATE_TEST_SUITE_P(Cpu, Gates, testing::Values(kCpu), name_backend);
INSTANTIATE_TEST_SUITE_P(Cpu, GatesOnNoise,
                         testing::Values(NoiseGates{kCpu, model::SyntheticSize::kTiny, kSanitized ? 3 : 33, 8}),
                         noise_name);

}  // namespace
}  // namespace tercet::tests
