// Owns gate (a) of docs/stages.md#gates for any batch: a backend runs a step, and ref runs each stage of it on what the
// backend recorded.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "support/gates.h"
#include "trace/replay.h"

namespace tercet::tests {

// Runs a step to its end; all logits that it asked for, one output after the other.
Result<std::vector<float>> run_batch(backend::Backend& backend, const backend::Batch& batch,
                                     backend::TraceSink* trace = nullptr);

class StageLocal {
 public:
  // Both backends are made with those options, but for ref's precision. Gives up where that fails.
  StageLocal(const Subject& subject, std::shared_ptr<const model::Model> model, const backend::Options& options);

  backend::Backend& subject() { return *subject_; }

  // Expects: every tap within the bound, valid and different experts a row with weights that add up to 1, the same bits
  // from the tap of the logits and from the step. Then the same step `n_again` times without a trace, which writes the
  // same to the KV cache: the same bits each time. `what` names the step. Returns whether all of it was so.
  bool run(const backend::Batch& batch, const std::string& what, int n_again);

  double worst() const { return worst_; }
  const std::string& worst_where() const { return worst_where_; }

 private:
  std::string check_choices() const;
  std::string check_taps(const backend::Batch& batch, const std::string& what);
  std::string check_again(const backend::Batch& batch, const std::vector<float>& logits, int n_again);

  std::shared_ptr<const model::Model> model_;
  const GateBounds& bounds_;
  std::unique_ptr<backend::Backend> subject_;
  std::unique_ptr<backend::Backend> ref_;
  trace::Recording taps_;
  double worst_ = 0;
  std::string worst_where_;
};

}  // namespace tercet::tests
