// The three gates of docs/stages.md#gates on models of noise: long contexts, the shapes and the depth of a 30B model.
// Minutes and up to 20 GB of memory each, so that only `make heavy` runs them.
#include <gtest/gtest.h>

#include "cpu/cpu.h"
#include "support/gates.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using model::SyntheticSize;

constexpr Precision kAll[] = {Precision::kExact, Precision::kHigh, Precision::kFast};

struct Heavy {
  SyntheticSize size;
  int n_token;
};

class HeavyGates : public testing::TestWithParam<Heavy> {};

TEST_P(HeavyGates, OnNoise) {
  const auto model = synthetic_model(GetParam().size);
  if (!model && model.error().code == Code::kOutOfMemory) GTEST_SKIP() << model.error().message;
  ASSERT_TRUE(model) << model.error().message;
  const auto ids = random_prompt(**model, GetParam().n_token);
  for (const GateFigures& figures : measure_gates(cpu::kFactory, *model, ids, kAll)) {
    expect_stage_local(figures);
    expect_routing_forced(figures);
    expect_free_running_on_noise(figures);
    std::cout << figures << "\n";
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, HeavyGates,
                         testing::Values(Heavy{SyntheticSize::kTiny, 4096}, Heavy{SyntheticSize::kMid, 64},
                                         Heavy{SyntheticSize::kFull, 3}),
                         [](const auto& heavy) { return std::string(model::synthetic_size_name(heavy.param.size)); });

}  // namespace
}  // namespace tercet::tests
