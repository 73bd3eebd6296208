// Owns the seeded faults: ways in which a backend could be wrong, put between it and the seam so that no product code knows
// of them. Each must be caught by the falsifier that it names; one that none catches is a missing falsifier.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "model/weights.h"

namespace tercet::tests {

// A step that is about to go to the backend, with spans that may be changed.
struct OpenStep {
  std::vector<backend::Row> rows;
  std::vector<backend::PageCopy> copies;
  std::vector<std::vector<backend::PageId>> pages;  // of each sequence
};

// What a run of the faulty backend knows of itself.
struct Moment {
  int n_step = 0;  // steps before this one
  int n_thread = 0;
  bool is_traced = false;
};

struct Fault {
  std::string name;
  std::string caught_by;  // a falsifier's id without the contract's prefix
  // Each may be empty.
  std::function<void(model::Model&)> model = {};
  std::function<void(backend::Options&)> options = {};
  std::function<void(OpenStep&)> step = {};
  std::function<void(const backend::TapView&)> tap = {};
  std::function<void(std::vector<backend::OutputResult>&, const Moment&)> result = {};
  std::string_view called = {};    // another name than the backend's own
  bool understates_cache = false;  // the plan counts half of it
};

const std::vector<Fault>& faults();

// Where it is put: which of its members is there.
size_t place(const Fault& fault);

// `inner` with the fault; one at a time, until the next call.
const backend::Factory& faulty(const backend::Factory& inner, const Fault& fault);

}  // namespace tercet::tests
