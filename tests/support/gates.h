// Owns the three gates of docs/stages.md#gates: (a) stage-local, (b) routing-forced, (c) free-running. A backend runs a
// prompt beside ref, a step at a time, so that neither the taps nor the logits of a long prompt need to fit in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "model/synthetic.h"
#include "support/demo.h"
#include "support/subject.h"

namespace tercet::tests {

struct GateFigures {
  backend::Precision precision = backend::Precision::kExact;
  int64_t n_position = 0;
  bool comparable = true;  // no value was NaN or infinite

  // (a)
  double stage_local = 0;       // the largest relative L2 of one tap over a step's rows
  std::string stage_local_tap;  // which
  // (b)
  double routed_cosine = 1;  // the least of the logits at any position
  int64_t n_choice = 0;      // rows times layers
  int64_t n_flip = 0;        // of those, where ref would have chosen other experts
  double flip_margin =
      0;  // also of (a): by how much a chosen expert trailed one left out, over the row's largest logit
  // (c)
  double mean_kl = 0;           // nats
  double kl_99 = 0;             // its 99th percentile
  double top1 = 0;              // share of positions with ref's most probable token
  double perplexity = 0;        // of ref, on the prompt's own next tokens
  double perplexity_ratio = 0;  // to ref's
  double mean_l2 = 0;           // relative L2 of the logits, the mean over positions
  double near_ties = 0;         // share of positions where that error may change the top of independent normal logits
  double flipped_rows = 0;      // share of positions where in some layer the two chose different experts
};
std::ostream& operator<<(std::ostream& out, const GateFigures& figures);

// Runs the prompt in steps of n_row through the backend in each precision, and through ref.
std::vector<GateFigures> measure_gates(const backend::Factory& factory,
                                       const std::shared_ptr<const model::Model>& model, std::span<const TokenId> ids,
                                       std::span<const backend::Precision> precisions, int n_row = 64);

// What a precision promises; docs/stages.md#gates derives the figures.
struct GateBounds {
  double stage_local;
  double routed_cosine;
  double flip_margin;
  double mean_kl;
  double kl_99;
  double top1;
  double perplexity;  // |ratio - 1|
};
const GateBounds& gate_bounds(backend::Precision precision);
// Of GPUs: `exact` has sums in f32, and 2e-4; `fast` is held to what `high` promises, whose arithmetic it shares.
const GateBounds& gpu_gate_bounds(backend::Precision precision);
// Those of the subject's kind.
const GateBounds& bounds_of(const Subject& subject);

void expect_stage_local(const GateFigures& figures, const GateBounds& bounds);
void expect_routing_forced(const GateFigures& figures, const GateBounds& bounds);
void expect_free_running(const GateFigures& figures, const GateBounds& bounds);
// Of tokens that mean nothing, where a perplexity says nothing and most tops are near ties.
void expect_free_running_on_noise(const GateFigures& figures, const GateBounds& bounds);

// A model of noise, and tokens to run on it, which mean nothing. Errors: make_synthetic's.
Result<std::shared_ptr<const model::Model>> synthetic_model(model::SyntheticSize size);
std::vector<TokenId> random_prompt(const model::Model& model, int n);

}  // namespace tercet::tests
