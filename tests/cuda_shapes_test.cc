// The CUDA backend on models of odd shapes and mixed formats.
#include "cuda/cuda.h"
#include "suites/shapes.h"

namespace tercet::tests {
namespace {

const Subject kCuda = {&cuda::kFactory, backend::Precision::kExact, cuda::check_device};

INSTANTIATE_TEST_SUITE_P(Cuda, Shapes, testing::ValuesIn(cases_on(kCuda, odd_shapes())), shape_name);
INSTANTIATE_TEST_SUITE_P(CudaFormats, Shapes, testing::ValuesIn(cases_on(kCuda, format_mixes())), shape_name);
INSTANTIATE_TEST_SUITE_P(Cuda, Lengths, testing::ValuesIn(cases_on(kCuda, head_shapes())), shape_name);

}  // namespace
}  // namespace tercet::tests
