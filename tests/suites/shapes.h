// Owns the suite of models of odd shapes and mixed formats: every step of every kind of batch through gate (a), in each
// precision.
#pragma once

#include <string>
#include <vector>

#include "contract/small_model.h"
#include "support/subject.h"

namespace tercet::tests {

using contract::Formats;
using contract::make_small_model;
using contract::poison_token;
using contract::SmallModel;

struct ShapeCase {
  Subject subject;  // its precision is not looked at: all are run
  SmallModel model;
};
inline void PrintTo(const ShapeCase& param, std::ostream* out) {
  *out << param.subject.factory->name << " " << param.model.name;
}
class Shapes : public OnSubject<ShapeCase> {};
class Lengths : public OnSubject<ShapeCase> {};

// Widths, heads, experts, vocabularies.
std::vector<SmallModel> odd_shapes();
// Every format in every role.
std::vector<SmallModel> format_mixes();
// What attention has a kernel or a path of its own for, and little else.
std::vector<SmallModel> head_shapes();

std::vector<ShapeCase> cases_on(const Subject& subject, const std::vector<SmallModel>& models);
inline std::string shape_name(const testing::TestParamInfo<ShapeCase>& info) {
  return std::string(info.param.subject.factory->name) + "_" + info.param.model.name;
}

}  // namespace tercet::tests
