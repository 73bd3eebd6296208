#include "contract/gates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "contract/prompt.h"
#include "ref/ref.h"
#include "trace/trace_file.h"

namespace tercet::contract {
namespace {

using backend::Precision;
using backend::Tap;

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
  explicit Judge(std::unique_ptr<backend::Backend> ref) : backend_(std::move(ref)) {}
  Status run(const Rows& rows) {
    taps_.clear();
    ASSIGN_OR_RETURN(logits_, run_rows(*backend_, rows.ids, rows.first, rows.n, &taps_));
    return {};
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
  struct Backends {
    std::unique_ptr<backend::Backend> own, local_ref, routed_ref;
  };
  Candidate(Backends backends, const model::Model& model, Precision precision)
      : model_(model),
        n_vocab_(static_cast<size_t>(model.config.n_vocab)),
        backends_(std::move(backends)),
        local_(taps_, model, trace::Gate::kStageLocal),
        routed_(taps_, model, trace::Gate::kRoutingForced) {
    figures_.precision = precision;
    const auto n_use = static_cast<size_t>(model.config.n_layer) * static_cast<size_t>(model.config.n_expert);
    figures_.use.resize(n_use);
    figures_.use_of_ref.resize(n_use);
  }

  Status run(const Rows& rows, const Judge& judge);
  GateFigures finish();

 private:
  void compare_row(std::span<const float> seen, std::span<const float> wanted, TokenId next);
  bool is_flipped(const trace::Recording& judge, int row) const;
  void count(const trace::Recording& taps, std::vector<int64_t>& use) const;
  void list_taps();

  const model::Model& model_;
  const size_t n_vocab_;
  Backends backends_;
  trace::Recording taps_;
  trace::Replay local_;
  trace::Replay routed_;

  GateFigures figures_;
  int64_t n_same_top_ = 0;
  int64_t n_flipped_row_ = 0;
  double sum_l2_ = 0;
  double sum_near_ties_ = 0;
  double wanted_log_p_ = 0;  // of the prompt's own tokens
  double seen_log_p_ = 0;
};

Status Candidate::run(const Rows& rows, const Judge& judge) {
  taps_.clear();
  ASSIGN_OR_RETURN(const std::vector<float> logits, run_rows(*backends_.own, rows.ids, rows.first, rows.n, &taps_));
  RETURN_IF_ERROR(check_recording(taps_, model_, rows.n));
  if (logits.size() != judge.logits().size())
    return error(Code::kCorrupt, "{}: {} logits of {} rows, want {}", backends_.own->name(), logits.size(), rows.n,
                 judge.logits().size());
  RETURN_IF_ERROR(run_rows(*backends_.local_ref, rows.ids, rows.first, rows.n, &local_));
  RETURN_IF_ERROR(run_rows(*backends_.routed_ref, rows.ids, rows.first, rows.n, &routed_));
  for (int i = 0; i < rows.n; ++i) {
    const auto at = static_cast<size_t>(i) * n_vocab_;
    const auto next = static_cast<size_t>(rows.first + i) + 1;
    compare_row(std::span(logits).subspan(at, n_vocab_), judge.logits().subspan(at, n_vocab_),
                next < rows.ids.size() ? rows.ids[next] : -1);
    n_flipped_row_ += is_flipped(judge.taps(), i) ? 1 : 0;
  }
  count(taps_, figures_.use);
  count(judge.taps(), figures_.use_of_ref);
  figures_.last.assign(logits.end() - static_cast<std::ptrdiff_t>(n_vocab_), logits.end());
  figures_.last_of_ref.assign(judge.logits().end() - static_cast<std::ptrdiff_t>(n_vocab_), judge.logits().end());
  return {};
}

void Candidate::compare_row(std::span<const float> seen, std::span<const float> wanted, TokenId next) {
  const auto agreement = trace::measure(seen, wanted);
  if (!agreement) figures_.comparable = false;
  const double l2 = agreement ? agreement->relative_l2 : 0;
  sum_l2_ += l2;
  sum_near_ties_ += near_tie(l2, n_vocab_);
  figures_.kl.push_back(trace::kl_divergence(wanted, seen));
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
  for (int layer = 0; layer < model_.config.n_layer; ++layer)
    if (chosen(taps_.at(Tap::kFfnMoeTopk, layer)) != chosen(judge.at(Tap::kFfnMoeTopk, layer))) return true;
  return false;
}

void Candidate::count(const trace::Recording& taps, std::vector<int64_t>& use) const {
  for (int layer = 0; layer < model_.config.n_layer; ++layer)
    for (const int32_t expert : taps.at(Tap::kFfnMoeTopk, layer).ids)
      ++use[static_cast<size_t>(layer) * static_cast<size_t>(model_.config.n_expert) + static_cast<size_t>(expert)];
}

// In the order of the forward pass, so that the first one beyond its bound names the stage at fault.
void Candidate::list_taps() {
  const int n_layer = model_.config.n_layer;
  const auto when = [n_layer](const trace::TapKey& key) {
    const auto& [tap, layer] = key;
    return std::pair(layer >= 0 ? layer : tap == Tap::kInpEmbd ? -1 : n_layer, tap);
  };
  std::map<std::pair<int, Tap>, TapError> sorted;
  for (const auto& [key, verdict] : local_.verdicts()) {
    const double l2 = verdict.failed ? std::numeric_limits<double>::quiet_NaN() : verdict.worst.relative_l2;
    sorted[when(key)] = {trace::tensor_name(key.first, key.second), l2};
  }
  for (auto& [key, tap] : sorted) figures_.taps.push_back(std::move(tap));
}

GateFigures Candidate::finish() {
  GateFigures& f = figures_;
  for (const auto& [key, verdict] : local_.verdicts()) {
    f.comparable = f.comparable && !verdict.failed;
    if (verdict.worst.relative_l2 < f.stage_local) continue;
    f.stage_local = verdict.worst.relative_l2;
    f.stage_local_tap = trace::tensor_name(key.first, key.second);
  }
  list_taps();
  const trace::TapVerdict& logits = routed_.verdicts().at({Tap::kResultOutput, -1});
  f.comparable = f.comparable && !logits.failed;
  f.routed_cosine = logits.worst_cosine;
  f.n_choice = routed_.n_choice();
  f.n_flip = routed_.n_flip();
  f.flip_margin = std::max(local_.worst_flip_margin(), routed_.worst_flip_margin());

  f.n_position = std::ssize(f.kl);
  const auto n = static_cast<double>(f.kl.size());
  f.mean_kl = std::accumulate(f.kl.begin(), f.kl.end(), 0.0) / n;
  std::vector<double> sorted = f.kl;
  std::sort(sorted.begin(), sorted.end());
  f.kl_99 = sorted[static_cast<size_t>(0.99 * n)];
  f.top1 = static_cast<double>(n_same_top_) / n;
  if (n > 1) {
    f.perplexity = std::exp(-wanted_log_p_ / (n - 1));
    f.perplexity_ratio = std::exp((wanted_log_p_ - seen_log_p_) / (n - 1));
  }
  f.mean_l2 = sum_l2_ / n;
  f.near_ties = sum_near_ties_ / n;
  f.flipped_rows = static_cast<double>(n_flipped_row_) / n;
  return f;
}

Result<std::unique_ptr<Candidate>> make_candidate(const backend::Factory& factory,
                                                  const std::shared_ptr<const model::Model>& model,
                                                  backend::Options options, Precision precision) {
  Candidate::Backends backends;
  ASSIGN_OR_RETURN(backends.local_ref, ref::kFactory.make(model, options));
  ASSIGN_OR_RETURN(backends.routed_ref, ref::kFactory.make(model, options));
  options.precision = precision;
  ASSIGN_OR_RETURN(backends.own, factory.make(model, options));
  return std::make_unique<Candidate>(std::move(backends), *model, precision);
}

}  // namespace

Status check_recording(const trace::Recording& taps, const model::Model& model, int64_t n_row) {
  const model::Config& c = model.config;
  for (int t = 0; t < backend::kNumTap; ++t) {
    const auto tap = static_cast<Tap>(t);
    const backend::TapInfo& info = backend::tap_info(tap);
    for (int layer = info.per_layer ? 0 : -1; layer < (info.per_layer ? c.n_layer : 0); ++layer) {
      const std::string name = trace::tensor_name(tap, layer);
      const auto found = taps.taps().find({tap, layer});
      const int64_t width = trace::tap_width(tap, c);
      if (found == taps.taps().end()) return error(Code::kCorrupt, "tap {}: never written, want it once a step", name);
      const trace::TapRows& rows = found->second;
      const auto n_value = std::ssize(rows.f32) + std::ssize(rows.ids);
      if (rows.width != width || n_value != n_row * width || rows.ids.empty() == info.is_ids)
        return error(Code::kCorrupt, "tap {}: {} values in rows of {}, want {} rows of {}", name, n_value, rows.width,
                     n_row, width);
      for (auto at = rows.ids.begin(); at != rows.ids.end(); at += width) {
        std::vector<int32_t> ids(at, at + width);
        std::sort(ids.begin(), ids.end());
        if (ids.front() < 0 || ids.back() >= c.n_expert || std::adjacent_find(ids.begin(), ids.end()) != ids.end())
          return error(Code::kCorrupt, "tap {}: experts {}, want {} different ones of {}", name, fmt::join(ids, " "),
                       width, c.n_expert);
      }
    }
  }
  return {};
}

Result<std::vector<GateFigures>> measure_gates(const backend::Factory& factory,
                                               const std::shared_ptr<const model::Model>& model,
                                               std::span<const TokenId> ids, std::span<const Precision> precisions,
                                               int n_thread, int device, int n_row) {
  const int n_token = static_cast<int>(ids.size());
  if (n_token == 0) return error(Code::kInvalidArgument, "the gates: no tokens, want at least one");
  backend::Options options = options_for(n_token, Precision::kExact, n_thread);
  options.max_row = std::min(n_row, n_token);
  ASSIGN_OR_RETURN(auto ref, ref::kFactory.make(model, options));
  Judge judge(std::move(ref));
  options.device = device;
  std::vector<std::unique_ptr<Candidate>> subjects;
  for (const Precision precision : precisions) {
    ASSIGN_OR_RETURN(auto candidate, make_candidate(factory, model, options, precision));
    subjects.push_back(std::move(candidate));
  }
  for (int first = 0; first < n_token; first += n_row) {
    const Rows rows{ids, first, std::min(n_row, n_token - first)};
    RETURN_IF_ERROR(judge.run(rows));
    for (const auto& subject : subjects) RETURN_IF_ERROR(subject->run(rows, judge));
  }
  std::vector<GateFigures> all;
  for (const auto& subject : subjects) all.push_back(subject->finish());
  return all;
}

Result<const GateMemo::Entry*> GateMemo::get(const Context& context) {
  const World& world = context.world;
  const Subject& subject = *context.subject;
  const auto found = entries_.find(&subject);
  const auto answer = [](const Result<Entry>& entry) -> Result<const Entry*> {
    if (!entry) return tl::make_unexpected(entry.error());
    return &*entry;
  };
  if (found != entries_.end()) return answer(found->second);
  const auto measure = [&]() -> Result<Entry> {
    const int n = affordable_positions(world, subject);
    world.say(fmt::format("the gates at {} positions", n));
    ASSIGN_OR_RETURN(const Text text, shipped_text(world, n));
    Evidence evidence;
    const auto precisions = precisions_of(context, evidence);
    ASSIGN_OR_RETURN(auto figures, measure_gates(*subject.factory, world.model, text.ids, precisions, world.n_thread,
                                                 subject.device.index));
    return Entry{std::move(figures), std::move(evidence.untried), text.has_meaning};
  };
  return answer(entries_.emplace(&subject, measure()).first->second);
}

}  // namespace tercet::contract
