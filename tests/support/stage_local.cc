#include "support/stage_local.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include "ref/ref.h"
#include "trace/trace_file.h"

namespace tercet::tests {

using backend::Precision;
using backend::Tap;

namespace {

backend::Options for_ref(backend::Options options) {
  options.precision = Precision::kExact;
  return options;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

Result<std::vector<float>> run_batch(backend::Backend& backend, const backend::Batch& batch,
                                     backend::TraceSink* trace) {
  ASSIGN_OR_RETURN(const backend::Ticket ticket, backend.submit(batch, trace));
  backend::StepResult result;
  RETURN_IF_ERROR(backend.wait(ticket, result));
  std::vector<float> logits;
  for (const auto& output : result.outputs) logits.insert(logits.end(), output.logits.begin(), output.logits.end());
  return logits;
}

StageLocal::StageLocal(const Subject& subject, std::shared_ptr<const model::Model> model,
                       const backend::Options& options)
    : model_(std::move(model)),
      bounds_(bounds_of(subject)),
      subject_(make_backend(*subject.factory, model_, options)),
      ref_(make_backend(ref::kFactory, model_, for_ref(options))) {}

// Of the recorded taps, before ref follows them. A message, or nothing.
std::string StageLocal::check_choices() const {
  const model::Config& c = model_->config;
  for (int layer = 0; layer < c.n_layer; ++layer) {
    const trace::TapRows& chosen = taps_.at(Tap::kFfnMoeTopk, layer);
    const trace::TapRows& weights = taps_.at(Tap::kFfnMoeWeightsNorm, layer);
    const auto k = static_cast<size_t>(c.n_expert_used);
    for (size_t at = 0; at < chosen.ids.size(); at += k) {
      std::vector<int32_t> ids(chosen.ids.begin() + static_cast<std::ptrdiff_t>(at),
                               chosen.ids.begin() + static_cast<std::ptrdiff_t>(at + k));
      std::sort(ids.begin(), ids.end());
      const bool valid =
          ids.front() >= 0 && ids.back() < c.n_expert && std::adjacent_find(ids.begin(), ids.end()) == ids.end();
      if (!valid)
        return fmt::format("layer {} row {}: experts {}, want {} different ones of {}", layer, at / k,
                           fmt::join(ids, " "), k, c.n_expert);
      double sum = 0;
      for (size_t i = at; i < at + k; ++i) sum += double{weights.f32[i]};
      if (std::isfinite(sum) && std::abs(sum - 1) > 1e-5)
        return fmt::format("layer {} row {}: weights add up to {}, want 1", layer, at / k, sum);
    }
  }
  return "";
}

std::string StageLocal::check_taps(const backend::Batch& batch, const std::string& what) {
  trace::Replay replay(taps_, *model_, trace::Gate::kStageLocal);
  const auto followed = run_batch(*ref_, batch, &replay);
  if (!followed) return "ref: " + followed.error().message;
  // In the order of the forward pass, so that the first line names the stage at fault.
  std::map<std::pair<int, Tap>, std::string> wrong;
  for (const auto& [key, verdict] : replay.verdicts()) {
    const auto& [tap, layer] = key;
    const std::string name = trace::tensor_name(tap, layer);
    const double l2 = verdict.worst.relative_l2;
    const int when = layer >= 0 ? layer : tap == Tap::kInpEmbd ? -1 : model_->config.n_layer;
    if (verdict.failed)
      wrong[{when, tap}] = fmt::format("  {}: not comparable (NaN?)\n", name);
    else if (l2 > bounds_.stage_local)
      wrong[{when, tap}] =
          fmt::format("  {}: relative L2 {:.3g}, want at most {:.3g}\n", name, l2, bounds_.stage_local);
    if (l2 >= worst_) {
      worst_ = l2;
      worst_where_ = what + ", " + name;
    }
  }
  std::string seen;
  for (const auto& [where, line] : wrong) seen += line;
  if (replay.worst_flip_margin() > bounds_.flip_margin)
    seen += fmt::format("  experts: a margin of {:.3g}, want at most {:.3g}\n", replay.worst_flip_margin(),
                        bounds_.flip_margin);
  return seen;
}

std::string StageLocal::check_again(const backend::Batch& batch, const std::vector<float>& logits, int n_again) {
  for (int i = 0; i < n_again; ++i) {
    const auto again = run_batch(*subject_, batch);
    if (!again) return "again: " + again.error().message;
    if (same_bits(*again, logits)) continue;
    size_t n_different = 0;
    size_t first = 0;
    for (size_t j = std::min(again->size(), logits.size()); j-- > 0;) {
      if (std::bit_cast<uint32_t>((*again)[j]) == std::bit_cast<uint32_t>(logits[j])) continue;
      ++n_different;
      first = j;
    }
    return fmt::format("  without a trace, time {}: {} of {} logits have other bits, the first {}: {} and {}\n", i + 1,
                       n_different, logits.size(), first, (*again)[first], logits[first]);
  }
  return "";
}

bool StageLocal::run(const backend::Batch& batch, const std::string& what, int n_again) {
  taps_.clear();
  const auto logits = run_batch(*subject_, batch, &taps_);
  if (!logits) {
    ADD_FAILURE() << what << ": " << logits.error().message;
    return false;
  }
  std::string seen = check_choices();
  if (seen.empty()) seen = check_taps(batch, what);
  if (!same_bits(taps_.at(Tap::kResultOutput, -1).f32, *logits))
    seen += "  the step's logits are not those of the tap\n";
  seen += check_again(batch, *logits, n_again);
  if (!seen.empty()) ADD_FAILURE() << what << ":\n" << seen;
  return seen.empty();
}

}  // namespace tercet::tests
