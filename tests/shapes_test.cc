// The CPU backend on some of the odd shapes, and every bit of what holds for all backends. All of the shapes are run where
// a device makes the reference the slow half (cuda_shapes_test.cc).
#include "suites/shapes.h"

#include <algorithm>

#include "cpu/cpu.h"
#include "suites/repeat.h"
#include "support/demo.h"

namespace tercet::tests {
namespace {

using backend::Precision;

const Subject kCpu = {&cpu::kFactory, Precision::kExact};

std::vector<SmallModel> named(std::vector<SmallModel> models, std::initializer_list<std::string_view> names) {
  std::erase_if(models,
                [&](const SmallModel& m) { return std::find(names.begin(), names.end(), m.name) == names.end(); });
  return models;
}

std::vector<SmallModel> some_shapes() {
  if (kSanitized) return named(odd_shapes(), {"nothingfits"});
  return named(odd_shapes(), {"group7_odd_output_projection", "nothingfits", "tied_f16"});
}

INSTANTIATE_TEST_SUITE_P(Cpu, Shapes, testing::ValuesIn(cases_on(kCpu, some_shapes())), shape_name);
INSTANTIATE_TEST_SUITE_P(CpuFormats, Shapes, testing::ValuesIn(cases_on(kCpu, named(format_mixes(), {"rotated2"}))),
                         shape_name);
INSTANTIATE_TEST_SUITE_P(Cpu, Lengths, testing::ValuesIn(cases_on(kCpu, named(head_shapes(), {"heads64_group4"}))),
                         shape_name);
INSTANTIATE_TEST_SUITE_P(Cpu, Repeat,
                         testing::Values(Subject{&cpu::kFactory, Precision::kExact},
                                         Subject{&cpu::kFactory, Precision::kHigh},
                                         Subject{&cpu::kFactory, Precision::kFast}),
                         name_subject);

}  // namespace
}  // namespace tercet::tests
