// Owns the suite of the gates (docs/stages.md#gates) on the demo and on small models of noise, for any backend: a program
// that instantiates it says for which.
#pragma once

#include <vector>

#include "support/gates.h"
#include "support/subject.h"

namespace tercet::tests {

// One backend in all of its precisions, since ref's side of the comparison is what takes the time.
class Gates : public OnSubject<Subject> {
 protected:
  const backend::Factory& factory() const { return *subject().factory; }
  const GateBounds& bounds(backend::Precision precision) const {
    return bounds_of({subject().factory, precision, subject().check_device});
  }
};

// Models of noise with real shapes: `n_token` positions, in steps of n_row.
struct NoiseGates {
  Subject subject;
  model::SyntheticSize size;
  int n_token;
  int n_row;
};
inline void PrintTo(const NoiseGates& param, std::ostream* out) {
  *out << param.subject.factory->name << " " << model::synthetic_size_name(param.size);
}
class GatesOnNoise : public OnSubject<NoiseGates> {};

inline std::string noise_name(const testing::TestParamInfo<NoiseGates>& info) {
  return std::string(info.param.subject.factory->name) + "_" + std::string(model::synthetic_size_name(info.param.size));
}

}  // namespace tercet::tests
