// The three gates of docs/stages.md#gates on models of noise: long contexts, the shapes and the depth of a 30B model.
// Minutes and up to 20 GB of memory each, so that only `make heavy` runs them. Those of a GPU are Skipped without one.
#include "cpu/cpu.h"
#include "cuda/cuda.h"
#include "suites/gates.h"

namespace tercet::tests {
namespace {

using model::SyntheticSize;

std::vector<NoiseGates> all_sizes(const Subject& subject) {
  return {{subject, SyntheticSize::kTiny, 4096, 64},
          {subject, SyntheticSize::kMid, 64, 64},
          {subject, SyntheticSize::kFull, 3, 64}};
}

INSTANTIATE_TEST_SUITE_P(Heavy, GatesOnNoise,
                         testing::ValuesIn(all_sizes({&cpu::kFactory, backend::Precision::kExact})), noise_name);
INSTANTIATE_TEST_SUITE_P(
    HeavyCuda, GatesOnNoise,
    testing::ValuesIn(all_sizes({&cuda::kFactory, backend::Precision::kExact, cuda::check_device})), noise_name);

}  // namespace
}  // namespace tercet::tests
