// Who promises that a row's bits depend on nothing but its own sequence.
#include "suites/invariance.h"

#include "cpu/cpu.h"

namespace tercet::tests {
namespace {

using backend::Precision;

INSTANTIATE_TEST_SUITE_P(Backends, Invariance,
                         testing::Values(Subject{&ref::kFactory, Precision::kExact},
                                         Subject{&cpu::kFactory, Precision::kExact},
                                         Subject{&cpu::kFactory, Precision::kHigh},
                                         Subject{&cpu::kFactory, Precision::kFast}),
                         name_subject);

}  // namespace
}  // namespace tercet::tests
