// Owns what a suite that runs on several backends is told: which, how precisely, and whether its device is there.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "backend/backend.h"

namespace tercet::tests {

struct Subject {
  const backend::Factory* factory;
  backend::Precision precision;
  Status (*check_device)(int device) = nullptr;  // null: a host backend, which is always there
};

inline std::string subject_name(const Subject& subject) {
  return std::string(subject.factory->name) + "_" + std::string(backend::precision_name(subject.precision));
}

// For the names of tests.
inline std::string name_subject(const testing::TestParamInfo<Subject>& param) { return subject_name(param.param); }
inline std::string name_backend(const testing::TestParamInfo<Subject>& param) {
  return std::string(param.param.factory->name);
}

inline void PrintTo(const Subject& subject, std::ostream* out) { *out << subject_name(subject); }

// A fixture whose tests are skipped, with the reason, where the subject has no device. P is Subject, or has one called
// `subject`.
template <typename P>
class OnSubject : public testing::TestWithParam<P> {
 protected:
  const Subject& subject() const {
    if constexpr (std::is_same_v<P, Subject>)
      return this->GetParam();
    else
      return this->GetParam().subject;
  }
  void SetUp() override {
    if (subject().check_device == nullptr) return;
    if (const Status there = subject().check_device(0); !there) GTEST_SKIP() << there.error().message;
  }
};

}  // namespace tercet::tests
