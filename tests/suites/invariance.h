// Owns the suite of what a row gives depending neither on chunking, nor on its company, nor on pages, threads or a trace:
// to the bit. For those backends and precisions that promise it.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "ref/ref.h"
#include "support/demo.h"
#include "support/subject.h"

namespace tercet::tests {

class Invariance : public OnSubject<Subject> {
 protected:
  std::unique_ptr<backend::Backend> make(int n_token, int n_thread) {
    return make_backend(*subject().factory, demo_model(), options_for(n_token, subject().precision, n_thread));
  }
  // Long enough to cross pages; the reference is slow and never looks at how many rows there are.
  int n_token() const { return subject().factory == &ref::kFactory || kSanitized ? 70 : 200; }
};

}  // namespace tercet::tests
