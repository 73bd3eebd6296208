// Owns the suite of the engine on a real backend: many sequences that come and go, cancellation, too few pages, two steps
// in flight.
#pragma once

#include "support/subject.h"

namespace tercet::tests {

struct ServingCase {
  Subject subject;
  int n_sequence;
  bool alone_is_the_same;  // a text is the one that its request would have had alone, to the bit
};
inline void PrintTo(const ServingCase& param, std::ostream* out) { *out << subject_name(param.subject); }
class Serving : public OnSubject<ServingCase> {};

inline std::string serving_name(const testing::TestParamInfo<ServingCase>& param) {
  return subject_name(param.param.subject);
}

}  // namespace tercet::tests
