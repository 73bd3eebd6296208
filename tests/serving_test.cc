// The engine on the real CPU backend.
#include "suites/serving.h"

#include "base/sanitized.h"
#include "cpu/cpu.h"

namespace tercet::tests {
namespace {

INSTANTIATE_TEST_SUITE_P(Cpu, Serving,
                         testing::Values(ServingCase{
                             {&cpu::kFactory, backend::Precision::kHigh}, kSanitized ? 8 : 20, true}),
                         serving_name);

}  // namespace
}  // namespace tercet::tests
