// The engine on the WebGPU backend.
#include "suites/serving.h"
#include "wgpu_subject.h"

namespace tercet::tests {
namespace {

using backend::Precision;

INSTANTIATE_TEST_SUITE_P(Wgpu, Serving,
                         testing::Values(ServingCase{on_wgpu(Precision::kExact), 100, true},
                                         ServingCase{on_wgpu(Precision::kHigh), 100, false}),
                         serving_name);

}  // namespace
}  // namespace tercet::tests
