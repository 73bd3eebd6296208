#include "support/gates.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "base/cpu_info.h"
#include "ref/ref.h"
#include "trace/replay.h"
#include "trace/trace_file.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using backend::Tap;

constexpr uint64_t kSeed = 1;

struct Rows {
  std::span<const TokenId> ids;  // the whole prompt
  int first, n;
};

// How probably errors of relative L2 `l2` change which of n independent normal logits is the largest. In units of their
// deviation, the next ones below the largest lie at most sqrt(2 ln n) to a unit, and the difference of two errors,
// N(0, 2 l2^2), lifts one of them by l2 / sqrt(pi) on average: the number that it lifts past the largest is the product.
double near_tie(double l2, size_t n) {
  return std::min(1.0, std::sqrt(2 * std::log(static_cast<double>(n)) / std::numbers::pi) * l2);
}

// ref by itself: what gate (c) compares with.
class Judge {
 public:
  Judge(const std::shared_ptr<const model::Model>& model, int n_token)
      : backend_(make_backend(ref::kFactory, model, options_for(n_token, Precision::kExact, n_usable_cpu()))) {}
  void run(const Rows& rows) {
    taps_.clear();
    logits_ = run_step(*backend_, rows.ids, rows.first, rows.n, &taps_);
  }
  std::span<const float> logits() const { return logits_; }  // [n, n_vocab] of the last step
  const trace::Recording& taps() const { return taps_; }

 private:
  std::unique_ptr<backend::Backend> backend_;
  trace::Recording taps_;
  std::vector<float> logits_;
};

// The backend in one precision, with the two runs of ref that follow it.
class Candidate {
 public:
  Candidate(const backend::Factory& factory, const std::shared_ptr<const model::Model>& model, int n_token,
            Precision precision)
      : n_layer_(model->config.n_layer),
        n_vocab_(static_cast<size_t>(model->config.n_vocab)),
        backend_(make_backend(factory, model, options_for(n_token, precision, n_usable_cpu()))),
        local_ref_(make_backend(ref::kFactory, model, options_for(n_token, Precision::kExact, n_usable_cpu()))),
        routed_ref_(make_backend(ref::kFactory, model, options_for(n_token, Precision::kExact, n_usable_cpu()))),
        local_(taps_, *model, trace::Gate::kStageLocal),
        routed_(taps_, *model, trace::Gate::kRoutingForced) {
    figures_.precision = precision;
  }

  void run(const Rows& rows, const Judge& judge) {
    taps_.clear();
    const std::vector<float> logits = run_step(*backend_, rows.ids, rows.first, rows.n, &taps_);
    run_step(*local_ref_, rows.ids, rows.first, rows.n, &local_);
    run_step(*routed_ref_, rows.ids, rows.first, rows.n, &routed_);
    for (int i = 0; i < rows.n; ++i) {
      const auto at = static_cast<size_t>(i) * n_vocab_;
      const auto next = static_cast<size_t>(rows.first + i) + 1;
      compare_row(std::span(logits).subspan(at, n_vocab_), judge.logits().subspan(at, n_vocab_),
                  next < rows.ids.size() ? rows.ids[next] : -1);
      n_flipped_row_ += is_flipped(judge.taps(), i) ? 1 : 0;
    }
  }

  GateFigures finish();

 private:
  void compare_row(std::span<const float> seen, std::span<const float> wanted, TokenId next);
  bool is_flipped(const trace::Recording& judge, int row) const;

  const int n_layer_;
  const size_t n_vocab_;
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<backend::Backend> local_ref_;
  std::unique_ptr<backend::Backend> routed_ref_;
  trace::Recording taps_;
  trace::Replay local_;
  trace::Replay routed_;

  GateFigures figures_;
  std::vector<double> kl_;
  int64_t n_same_top_ = 0;
  int64_t n_flipped_row_ = 0;
  double sum_l2_ = 0;
  double sum_near_ties_ = 0;
  double wanted_log_p_ = 0;  // of the prompt's own tokens
  double seen_log_p_ = 0;
};

void Candidate::compare_row(std::span<const float> seen, std::span<const float> wanted, TokenId next) {
  const auto agreement = trace::measure(seen, wanted);
  if (!agreement) figures_.comparable = false;
  const double l2 = agreement ? agreement->relative_l2 : 0;
  sum_l2_ += l2;
  sum_near_ties_ += near_tie(l2, n_vocab_);
  kl_.push_back(trace::kl_divergence(wanted, seen));
  n_same_top_ += trace::argmax(seen) == trace::argmax(wanted) ? 1 : 0;
  if (next < 0) return;
  wanted_log_p_ += trace::log_probability(wanted, next);
  seen_log_p_ += trace::log_probability(seen, next);
}

bool Candidate::is_flipped(const trace::Recording& judge, int row) const {
  const auto chosen = [row](const trace::TapRows& rows) {
    const auto begin = rows.ids.begin() + row * rows.width;
    std::vector<int32_t> ids(begin, begin + rows.width);
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  for (int layer = 0; layer < n_layer_; ++layer)
    if (chosen(taps_.at(Tap::kFfnMoeTopk, layer)) != chosen(judge.at(Tap::kFfnMoeTopk, layer))) return true;
  return false;
}

GateFigures Candidate::finish() {
  GateFigures& f = figures_;
  for (const auto& [key, verdict] : local_.verdicts()) {
    f.comparable = f.comparable && !verdict.failed;
    if (verdict.worst.relative_l2 < f.stage_local) continue;
    f.stage_local = verdict.worst.relative_l2;
    f.stage_local_tap = trace::tensor_name(key.first, key.second);
  }
  const trace::TapVerdict& logits = routed_.verdicts().at({Tap::kResultOutput, -1});
  f.comparable = f.comparable && !logits.failed;
  f.routed_cosine = logits.worst_cosine;
  f.n_choice = routed_.n_choice();
  f.n_flip = routed_.n_flip();
  f.flip_margin = std::max(local_.worst_flip_margin(), routed_.worst_flip_margin());

  f.n_position = std::ssize(kl_);
  const auto n = static_cast<double>(kl_.size());
  f.mean_kl = std::accumulate(kl_.begin(), kl_.end(), 0.0) / n;
  std::sort(kl_.begin(), kl_.end());
  f.kl_99 = kl_[static_cast<size_t>(0.99 * n)];
  f.top1 = static_cast<double>(n_same_top_) / n;
  f.perplexity = std::exp(-wanted_log_p_ / (n - 1));
  f.perplexity_ratio = std::exp((wanted_log_p_ - seen_log_p_) / (n - 1));
  f.mean_l2 = sum_l2_ / n;
  f.near_ties = sum_near_ties_ / n;
  f.flipped_rows = static_cast<double>(n_flipped_row_) / n;
  return f;
}

constexpr GateBounds kExact = {1e-4, 0.9999999, 1e-4, 1e-7, 1e-6, 0.999, 1e-4};
constexpr GateBounds kHigh = {2e-3, 0.9995, 2e-3, 1e-3, 1e-2, 0.98, 2e-3};
constexpr GateBounds kGpuExact = {2e-4, 0.9999999, 2e-4, 1e-7, 1e-6, 0.999, 1e-4};
constexpr GateBounds kFast = {3e-2, 0.99, 5e-2, 3e-2, 3e-1, 0.90, 2e-2};

}  // namespace

std::vector<GateFigures> measure_gates(const backend::Factory& factory,
                                       const std::shared_ptr<const model::Model>& model, std::span<const TokenId> ids,
                                       std::span<const Precision> precisions, int n_row) {
  const int n_token = static_cast<int>(ids.size());
  Judge judge(model, n_token);
  std::vector<std::unique_ptr<Candidate>> subjects;
  for (const Precision precision : precisions)
    subjects.push_back(std::make_unique<Candidate>(factory, model, n_token, precision));
  for (int first = 0; first < n_token; first += n_row) {
    const Rows rows{ids, first, std::min(n_row, n_token - first)};
    judge.run(rows);
    for (const auto& subject : subjects) subject->run(rows, judge);
  }
  std::vector<GateFigures> all;
  for (const auto& subject : subjects) all.push_back(subject->finish());
  return all;
}

std::ostream& operator<<(std::ostream& out, const GateFigures& f) {
  return out << backend::precision_name(f.precision) << ", " << f.n_position << " positions: (a) worst relative L2 "
             << f.stage_local << " at " << f.stage_local_tap << "; (b) worst cosine 1 - " << 1 - f.routed_cosine << ", "
             << f.n_flip << " flips in " << f.n_choice << " choices, worst margin " << f.flip_margin << "; (c) mean KL "
             << f.mean_kl << ", 99 % " << f.kl_99 << ", top-1 " << f.top1 << ", perplexity " << f.perplexity
             << ", ratio 1 + " << f.perplexity_ratio - 1 << ", mean relative L2 " << f.mean_l2 << ", near ties "
             << f.near_ties << ", positions with a flip " << f.flipped_rows;
}

const GateBounds& gate_bounds(Precision precision) {
  return precision == Precision::kExact ? kExact : precision == Precision::kHigh ? kHigh : kFast;
}

const GateBounds& gpu_gate_bounds(Precision precision) { return precision == Precision::kExact ? kGpuExact : kHigh; }

const GateBounds& bounds_of(const Subject& subject) {
  return subject.check_device == nullptr ? gate_bounds(subject.precision) : gpu_gate_bounds(subject.precision);
}

void expect_stage_local(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_TRUE(figures.comparable) << figures;
  EXPECT_LE(figures.stage_local, bounds.stage_local) << figures;
  EXPECT_LE(figures.flip_margin, bounds.flip_margin) << figures;
}

void expect_routing_forced(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_TRUE(figures.comparable) << figures;
  EXPECT_GE(figures.routed_cosine, bounds.routed_cosine) << figures;
}

void expect_free_running(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_LE(figures.mean_kl, bounds.mean_kl) << figures;
  EXPECT_LE(figures.kl_99, bounds.kl_99) << figures;
  EXPECT_GE(figures.top1, bounds.top1) << figures;
  EXPECT_LE(std::abs(figures.perplexity_ratio - 1), bounds.perplexity) << figures;
}

void expect_free_running_on_noise(const GateFigures& figures, const GateBounds& bounds) {
  EXPECT_LE(figures.mean_kl, bounds.mean_kl) << figures;
  EXPECT_LE(figures.kl_99, bounds.kl_99) << figures;
  // Counts of rare events scatter by their square root; two more where fewer than one is to be expected.
  const auto n = static_cast<double>(figures.n_position);
  const double expected = n * figures.near_ties;
  EXPECT_LE(n * (1 - figures.top1), expected + 4 * std::sqrt(expected) + 2) << figures;
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
