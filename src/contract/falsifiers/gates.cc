// What is read off one run of the gates (contract/gates.h) beside ref, in every precision.
#include <algorithm>
#include <cmath>

#include "contract/falsifiers/falsifiers.h"

namespace tercet::contract {
namespace {

std::string not_comparable(const GateFigures& figures) {
  return figures.comparable ? "" : fmt::format("{}: values that are not finite", precision_name(figures.precision));
}

// `read` adds what it wants of each precision's figures.
template <typename Read>
Result<Evidence> read_gates(const Context& context, bool wants_meaning, Read read) {
  ASSIGN_OR_RETURN(const GateMemo::Entry* entry, context.gates.get(context));
  Evidence out;
  out.untried = entry->untried;
  if (wants_meaning && !entry->has_meaning) {
    out.skipped = "the model has no vocabulary, want one that a text can be read in";
    return out;
  }
  for (const GateFigures& figures : entry->figures) {
    if (out.broken.empty()) out.broken = not_comparable(figures);
    read(out, figures);
  }
  return out;
}

}  // namespace

// Figures: `relative_l2` of every tap of every layer, ref having run the stage on the backend's own input, in the order of
// the forward pass; `flip_margin`, by how much an expert was preferred to one that ref ranks higher.
Result<Evidence> check_per_layer(const Context& context) {
  return read_gates(context, false, [](Evidence& out, const GateFigures& f) {
    for (const TapError& tap : f.taps) out.add("relative_l2", f.precision, tap.relative_l2, tap.name);
    out.add("flip_margin", f.precision, f.flip_margin);
  });
}

// Figures: `cosine`, the least at any position while ref takes the backend's experts; `flip_margin`.
Result<Evidence> check_all_positions(const Context& context) {
  return read_gates(context, false, [](Evidence& out, const GateFigures& f) {
    out.add("cosine", f.precision, f.routed_cosine, fmt::format("{} positions", f.n_position));
    out.add("flip_margin", f.precision, f.flip_margin, fmt::format("{} flips of {}", f.n_flip, f.n_choice));
    const auto width = std::ssize(f.use) / std::max<int64_t>(1, f.n_choice / std::max<int64_t>(1, f.n_position));
    out.series.push_back({"expert_use", f.precision, width, {f.use.begin(), f.use.end()}});
    out.series.push_back({"expert_use_of_ref", f.precision, width, {f.use_of_ref.begin(), f.use_of_ref.end()}});
  });
}

// Figures: `mean_kl` and `kl_99` in nats; `lost_tops`, positions whose most probable token is another than ref's beyond
// what errors of this size explain where tops are near ties, as a share.
Result<Evidence> check_free_run(const Context& context) {
  return read_gates(context, false, [](Evidence& out, const GateFigures& f) {
    // Counts of rare events scatter by their square root; two more where fewer than one is to be expected.
    const auto n = static_cast<double>(f.n_position);
    const double explained = (n * f.near_ties + 4 * std::sqrt(n * f.near_ties) + 2) / n;
    out.add("mean_kl", f.precision, f.mean_kl, fmt::format("{} positions", f.n_position));
    out.add("kl_99", f.precision, f.kl_99);
    out.add("lost_tops", f.precision, std::max(0.0, 1 - f.top1 - explained), fmt::format("top-1 {:.4f}", f.top1));
    out.add("flip_margin", f.precision, f.flip_margin, fmt::format("{} flips of {}", f.n_flip, f.n_choice));
    out.series.push_back({"kl_by_position", f.precision, 1, f.kl});
  });
}

// Figure: `perplexity_ratio`, |1 - perplexity / ref's| on the shipped text. A mean over n positions scatters as 1 / sqrt(n), so
// that fewer than 2,000, which the bound is stated for, count by sqrt(n / 2000).
Result<Evidence> check_quality(const Context& context) {
  return read_gates(context, true, [](Evidence& out, const GateFigures& f) {
    const double weight = std::sqrt(std::min(1.0, static_cast<double>(f.n_position) / 2000));
    out.add("perplexity_ratio", f.precision, weight * std::abs(f.perplexity_ratio - 1),
            fmt::format("ref {:.2f}", f.perplexity));
  });
}

}  // namespace tercet::contract
