// Owns the suite of what holds for every backend and precision, also where a row's bits depend on its company: the same
// steps give the same bits, with a trace or a clock and without, and pages hold what they should.
#pragma once

#include "support/subject.h"

namespace tercet::tests {

class Repeat : public OnSubject<Subject> {};

}  // namespace tercet::tests
