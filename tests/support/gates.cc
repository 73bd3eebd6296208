#include "support/gates.h"

#include <array>
#include <cmath>
#include <random>
#include <sstream>

#include "base/cpu_info.h"
#include "contract/load.h"
#include "contract/prompt.h"

namespace tercet::tests {
namespace {

using backend::Precision;

constexpr uint64_t kSeed = 1;

// The bound that a contract states for one figure of one of its falsifiers.
double bound(const contract::Contract& contract, const std::string& falsifier, std::string_view figure,
             Precision precision) {
  const contract::Falsifier* found = contract.find_falsifier(contract.prefix.text + falsifier);
  for (const contract::Threshold& t : found->thresholds)
    if (t.covers(figure, precision, "", "")) return t.at_most ? *t.at_most : *t.at_least;
  ADD_FAILURE() << contract.path << ": no " << figure << " in " << falsifier;
  return 0;
}

std::array<GateBounds, 3> read_bounds(const std::string& id) {
  const auto loaded = contract::load_valid_contract(source_path("contracts/" + id + ".yaml"));
  std::array<GateBounds, 3> out{};
  if (!loaded) {
    ADD_FAILURE() << loaded.error().message;
    return out;
  }
  for (const Precision p : contract::kAllPrecisions)
    out[static_cast<size_t>(p)] = {.stage_local = bound(*loaded, "PER-LAYER-001", "relative_l2", p),
                                   .routed_cosine = bound(*loaded, "ALL-POSITIONS-001", "cosine", p),
                                   .flip_margin = bound(*loaded, "ALL-POSITIONS-001", "flip_margin", p),
                                   .mean_kl = bound(*loaded, "FREE-RUN-001", "mean_kl", p),
                                   .kl_99 = bound(*loaded, "FREE-RUN-001", "kl_99", p),
                                   // Over thousands of positions, where none needs to be explained away.
                                   .top1 = 1 - bound(*loaded, "FREE-RUN-001", "lost_tops", p),
                                   .perplexity = bound(*loaded, "QUALITY-001", "perplexity_ratio", p)};
  return out;
}

}  // namespace

std::vector<GateFigures> measure_gates(const backend::Factory& factory,
                                       const std::shared_ptr<const model::Model>& model, std::span<const TokenId> ids,
                                       std::span<const Precision> precisions, int n_row) {
  auto figures = contract::measure_gates(factory, model, ids, precisions, n_usable_cpu(), 0, n_row);
  if (figures) return *std::move(figures);
  ADD_FAILURE() << figures.error().message;
  return {};
}

std::string describe(const GateFigures& f) {
  std::ostringstream out;
  out << backend::precision_name(f.precision) << ", " << f.n_position << " positions: (a) worst relative L2 "
      << f.stage_local << " at " << f.stage_local_tap << "; (b) worst cosine 1 - " << 1 - f.routed_cosine << ", "
      << f.n_flip << " flips in " << f.n_choice << " choices, worst margin " << f.flip_margin << "; (c) mean KL "
      << f.mean_kl << ", 99 % " << f.kl_99 << ", top-1 " << f.top1 << ", perplexity " << f.perplexity << ", ratio 1 + "
      << f.perplexity_ratio - 1 << ", mean relative L2 " << f.mean_l2 << ", near ties " << f.near_ties
      << ", positions with a flip " << f.flipped_rows;
  return out.str();
}

const GateBounds& gate_bounds(Precision precision) {
  static const auto all = read_bounds("qwen3-moe-forward-cpu-v1");
  return all[static_cast<size_t>(precision)];
}

const GateBounds& gpu_gate_bounds(Precision precision) {
  static const auto all = read_bounds("qwen3-moe-forward-gpu-v1");
  return all[static_cast<size_t>(precision)];
}

const GateBounds& bounds_of(const Subject& subject) {
  return subject.check_device == nullptr ? gate_bounds(subject.precision) : gpu_gate_bounds(subject.precision);
}

void expect_stage_local(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_TRUE(figures.comparable) << describe(figures);
  EXPECT_LE(figures.stage_local, bounds.stage_local) << describe(figures);
  EXPECT_LE(figures.flip_margin, bounds.flip_margin) << describe(figures);
}

void expect_routing_forced(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_TRUE(figures.comparable) << describe(figures);
  EXPECT_GE(figures.routed_cosine, bounds.routed_cosine) << describe(figures);
}

void expect_free_running(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_LE(figures.mean_kl, bounds.mean_kl) << describe(figures);
  EXPECT_LE(figures.kl_99, bounds.kl_99) << describe(figures);
  EXPECT_GE(figures.top1, bounds.top1) << describe(figures);
  EXPECT_LE(std::abs(figures.perplexity_ratio - 1), bounds.perplexity) << describe(figures);
}

void expect_free_running_on_noise(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_LE(figures.mean_kl, bounds.mean_kl) << describe(figures);
  EXPECT_LE(figures.kl_99, bounds.kl_99) << describe(figures);
  // Counts of rare events scatter by their square root; two more where fewer than one is to be expected.
  const auto n = static_cast<double>(figures.n_position);
  const double expected = n * figures.near_ties;
  EXPECT_LE(n * (1 - figures.top1), expected + 4 * std::sqrt(expected) + 2) << describe(figures);
}

Result<std::shared_ptr<const model::Model>> synthetic_model(model::SyntheticSize size) {
  ThreadPool pool(n_usable_cpu());
  auto made = model::make_synthetic(size, kSeed, pool);
  if (!made) return tl::make_unexpected(made.error());
  ASSIGN_OR_RETURN(auto file, model::open_synthetic(*std::move(made)));
  return model::load_model(std::move(file));
}

std::vector<TokenId> random_prompt(const model::Model& model, int n) {
  std::mt19937 random(kSeed);
  std::vector<TokenId> ids(static_cast<size_t>(n));
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % static_cast<uint32_t>(model.config.n_vocab));
  return ids;
}

}  // namespace tercet::tests
