// Owns the memory behind one backend::Batch while it is submitted.
#pragma once

#include <span>
#include <vector>

#include "backend/batch.h"
#include "engine/scheduler.h"

namespace tercet::engine {

class StepBatch {
 public:
  // `parts` are booked: their sequences' n_submitted already counts them.
  explicit StepBatch(std::span<const Part> parts);
  backend::Batch batch() const;

 private:
  void add_output(const Part& part);

  std::vector<backend::Row> rows_;
  std::vector<backend::Sequence> sequences_;
  std::vector<backend::PageCopy> page_copies_;
  std::vector<backend::Output> outputs_;
};

}  // namespace tercet::engine
