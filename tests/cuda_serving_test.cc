// The engine on the CUDA backend.
#include "cuda/cuda.h"
#include "suites/serving.h"

namespace tercet::tests {
namespace {

using backend::Precision;

INSTANTIATE_TEST_SUITE_P(
    Cuda, Serving,
    testing::Values(ServingCase{{&cuda::kFactory, Precision::kExact, cuda::check_device}, 100, true},
                    ServingCase{{&cuda::kFactory, Precision::kHigh, cuda::check_device}, 100, false}),
    serving_name);

}  // namespace
}  // namespace tercet::tests
