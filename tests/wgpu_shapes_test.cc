// The WebGPU backend on models of odd shapes and mixed formats.
#include "suites/shapes.h"
#include "wgpu_subject.h"

namespace tercet::tests {
namespace {

const Subject kWgpu = on_wgpu(backend::Precision::kExact);

INSTANTIATE_TEST_SUITE_P(Wgpu, Shapes, testing::ValuesIn(cases_on(kWgpu, odd_shapes())), shape_name);
INSTANTIATE_TEST_SUITE_P(WgpuFormats, Shapes, testing::ValuesIn(cases_on(kWgpu, format_mixes())), shape_name);
INSTANTIATE_TEST_SUITE_P(Wgpu, Lengths, testing::ValuesIn(cases_on(kWgpu, head_shapes())), shape_name);

}  // namespace
}  // namespace tercet::tests
