// Owns what the tests expect of the three gates (contract/gates.h): bounds, which are those of the contracts, and models
// to run them on.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "contract/gates.h"
#include "model/synthetic.h"
#include "support/demo.h"
#include "support/subject.h"

namespace tercet::tests {

using contract::GateFigures;
// For a test's log.
std::string describe(const GateFigures& figures);

// Runs the prompt in steps of n_row through the backend in each precision, and through ref.
std::vector<GateFigures> measure_gates(const backend::Factory& factory,
                                       const std::shared_ptr<const model::Model>& model, std::span<const TokenId> ids,
                                       std::span<const backend::Precision> precisions, int n_row = 64);

// What a precision promises, as contracts/ states it; docs/stages.md#gates derives the figures.
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
// Of GPUs.
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
