// Owns the three gates of docs/stages.md#gates: (a) stage-local, (b) routing-forced, (c) free-running. A backend runs a
// prompt beside ref, a step at a time, so that neither the taps nor the logits of a long prompt need to fit in memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "contract/check.h"
#include "trace/replay.h"

namespace tercet::contract {

// One tap of one layer in gate (a).
struct TapError {
  std::string name;        // "Qcur-3"
  double relative_l2 = 0;  // the worst over the steps; NaN where values could not be compared
};

struct GateFigures {
  backend::Precision precision = backend::Precision::kExact;
  int64_t n_position = 0;
  bool comparable = true;  // no value was NaN or infinite

  // (a)
  double stage_local = 0;       // the largest relative L2 of one tap over a step's rows
  std::string stage_local_tap;  // which
  std::vector<TapError> taps;   // all, in the order of the forward pass
  // (b)
  double routed_cosine = 1;  // the least of the logits at any position
  int64_t n_choice = 0;      // rows times layers
  int64_t n_flip = 0;        // of those, where ref would have chosen other experts
  double flip_margin = 0;    // also of (a): by how much a chosen expert trailed one left out, over the largest logit
  // (c)
  double mean_kl = 0;           // nats
  double kl_99 = 0;             // its 99th percentile
  double top1 = 0;              // share of positions with ref's most probable token
  double perplexity = 0;        // of ref, on the prompt's own next tokens
  double perplexity_ratio = 0;  // to ref's
  double mean_l2 = 0;           // relative L2 of the logits, the mean over positions
  double near_ties = 0;         // share of positions where that error may change the top of independent normal logits
  double flipped_rows = 0;      // share of positions where in some layer the two chose different experts

  std::vector<double> kl;                // at each position
  std::vector<int64_t> use, use_of_ref;  // [n_layer, n_expert]: rows that chose it
  std::vector<float> last, last_of_ref;  // logits of the last position
};

// Runs the prompt in steps of n_row through the backend in each precision, and through ref. Errors: the backends', and
// kCorrupt for taps that are no run of this model.
Result<std::vector<GateFigures>> measure_gates(const backend::Factory& factory,
                                               const std::shared_ptr<const model::Model>& model,
                                               std::span<const backend::TokenId> ids,
                                               std::span<const backend::Precision> precisions, int n_thread, int device,
                                               int n_row = 64);

// Whether what was recorded has the shape of a step of n_row rows and as many outputs of this model, with valid experts:
// ref may follow nothing else. Errors: kCorrupt.
Status check_recording(const trace::Recording& taps, const model::Model& model, int64_t n_row);

// One run of the gates a subject, that all checks which look at it share.
class GateMemo {
 public:
  struct Entry {
    std::vector<GateFigures> figures;         // in each precision that was tried
    std::vector<backend::Precision> untried;  // those that were not
    bool has_meaning = false;                 // the tokens are those of a text
  };
  Result<const Entry*> get(const Context& context);

 private:
  std::map<const Subject*, Result<Entry>> entries_;
};

}  // namespace tercet::contract
