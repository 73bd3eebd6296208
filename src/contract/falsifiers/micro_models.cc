// What a trained model never does, on models of noise made in memory: routers that tie, blocks that quantization is worst
// at, and activations so small that eps is felt.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"
#include "contract/small_model.h"
#include "ref/ref.h"

namespace tercet::contract {
namespace {

using backend::Precision;
using backend::Tap;

constexpr uint32_t kModelsSeed = 20260701;

std::vector<TokenId> random_ids(int n, int n_vocab) {
  std::mt19937 random(kModelsSeed);
  std::vector<TokenId> ids(static_cast<size_t>(n));
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % static_cast<uint32_t>(n_vocab - 1));
  return ids;
}

// The first row whose choice breaks a tie upwards: of the router's equal rows 2i and 2i + 1 the lower comes first, and the
// higher is never chosen alone.
int64_t count_wrong_ties(const trace::TapRows& chosen) {
  int64_t n = 0;
  for (auto at = chosen.ids.begin(); at != chosen.ids.end(); at += chosen.width) {
    for (auto id = at; id != at + chosen.width; ++id) {
      const bool has_lower = *id % 2 == 0 || (id != at && *(id - 1) == *id - 1);
      if (!has_lower) {
        ++n;
        break;
      }
    }
  }
  return n;
}

double worst_sum(const trace::TapRows& weights) {
  double worst = 0;
  for (size_t at = 0; at < weights.f32.size(); at += static_cast<size_t>(weights.width)) {
    double sum = 0;
    for (int64_t i = 0; i < weights.width; ++i) sum += double{weights.f32[at + static_cast<size_t>(i)]};
    worst = std::max(worst, std::abs(sum - 1));
    if (std::isnan(sum)) return sum;
  }
  return worst;
}

// The backend's steps on the model, with ref behind it stage by stage.
Status follow(Evidence& out, const Context& context, const std::shared_ptr<const model::Model>& model,
              Precision precision, std::span<const TokenId> ids) {
  const World& world = context.world;
  const int n = static_cast<int>(ids.size());
  const auto options = options_for(n, precision, world.n_thread);
  ASSIGN_OR_RETURN(const auto own, start(*context.subject, model, options));
  ASSIGN_OR_RETURN(const auto ref, ref::kFactory.make(model, options_for(n, Precision::kExact, world.n_thread)));
  int64_t wrong_ties = 0;
  double sum = 0;
  double weight_error = 0;
  double margin = 0;
  // A prompt, then rows alone: there are kernels for each.
  for (int first = 0; first < n; first = first == 0 ? n - 2 : first + 1) {
    const int n_row = first == 0 ? n - 2 : 1;
    trace::Recording taps;
    RETURN_IF_ERROR(run_rows(*own, ids, first, n_row, &taps));
    RETURN_IF_ERROR(check_recording(taps, *model, n_row));
    trace::Replay replay(taps, *model, trace::Gate::kStageLocal);
    RETURN_IF_ERROR(run_rows(*ref, ids, first, n_row, &replay));
    margin = std::max(margin, replay.worst_flip_margin());
    for (int layer = 0; layer < model->config.n_layer; ++layer) {
      wrong_ties += count_wrong_ties(taps.at(Tap::kFfnMoeTopk, layer));
      sum = std::max(sum, worst_sum(taps.at(Tap::kFfnMoeWeightsNorm, layer)));
      const trace::TapVerdict& verdict = replay.verdicts().at({Tap::kFfnMoeWeightsNorm, layer});
      if (verdict.failed) out.broken = "ffn_moe_weights_norm: values that are not finite";
      weight_error = std::max(weight_error, verdict.worst.relative_l2);
    }
  }
  out.add("wrong_ties", precision, static_cast<double>(wrong_ties), fmt::format("{} rows", n * model->config.n_layer));
  out.add("weight_sum", precision, sum);
  out.add("weight_error", precision, weight_error);
  out.add("flip_margin", precision, margin);
  return {};
}

// The gates on a small model, its figures called `name`.
Status hold(Evidence& out, const Context& context, const SmallModel& spec, std::span<const Precision> precisions) {
  RETURN_IF_ERROR(context.world.go_on());
  context.world.say(spec.name);
  ASSIGN_OR_RETURN(const auto model, make_small_model(spec, kModelsSeed));
  const auto ids = random_ids(19, spec.n_vocab);
  // 17 rows together, then two: prompts and single rows have kernels of their own.
  ASSIGN_OR_RETURN(const auto figures, measure_gates(*context.subject->factory, model, ids, precisions,
                                                     context.world.n_thread, context.subject->device.index, 9));
  for (const GateFigures& f : figures) {
    if (!f.comparable) out.broken = fmt::format("{}: values that are not finite", spec.name);
    out.add("relative_l2", f.precision, f.stage_local, fmt::format("{} {}", spec.name, f.stage_local_tap));
    out.add("cosine", f.precision, f.routed_cosine, spec.name);
    out.add("flip_margin", f.precision, f.flip_margin, spec.name);
  }
  return {};
}

Formats all_of(quant::Type type) {
  Formats out{type, type, type, type, type, type, type, type, type, type};
  // A router of four bits chooses by noise; the files that there are keep it in f32.
  out.router = quant::Type::kF32;
  return out;
}

}  // namespace

// Figures: `wrong_ties`, rows where of two experts with equal router rows the higher was chosen alone or first; `weight_sum`,
// by how much the weights of a row miss 1; `weight_error`, their relative L2 beside ref's; `flip_margin`.
Result<Evidence> check_routing(const Context& context) {
  Evidence out;
  const SmallModel spec{.name = "ties", .n_expert = 8, .n_expert_used = 3, .n_vocab = 67, .equal_router_rows = true};
  ASSIGN_OR_RETURN(const auto model, make_small_model(spec, kModelsSeed));
  const auto ids = random_ids(21, spec.n_vocab);
  for (const Precision precision : precisions_of(context, out)) {
    RETURN_IF_ERROR(context.world.go_on());
    context.world.say(fmt::format("routers that tie, {}", backend::precision_name(precision)));
    RETURN_IF_ERROR(follow(out, context, model, precision, ids));
  }
  return out;
}

// Figures of gates (a) and (b), for a model in each format whose blocks are what quantization is worst at.
Result<Evidence> check_quant(const Context& context) {
  Evidence out;
  // Software that plays a GPU takes seconds for each; the two of the files that there are come first.
  const bool is_slow = context.subject->device.kind == backend::DeviceKind::kSoftware && !context.world.is_long;
  for (const quant::Format& format : quant::formats()) {
    if (is_slow && format.type != quant::Type::kQ4_K && format.type != quant::Type::kQ6_K) continue;
    SmallModel spec{.name = std::string(format.name), .n_layer = 1, .n_expert = 4, .d_ff = 512, .n_vocab = 67};
    spec.formats = all_of(format.type);
    spec.adversarial = true;
    RETURN_IF_ERROR(hold(out, context, spec, precisions_of(context, out)));
  }
  return out;
}

// Figures of gates (a) and (b), for a model whose embeddings have a mean square of 1e-6: eps is half of what a norm divides
// by, so that another eps is another norm.
Result<Evidence> check_quiet(const Context& context) {
  Evidence out;
  const SmallModel spec{.name = "quiet", .n_vocab = 67, .embedding = 1e-3};
  RETURN_IF_ERROR(hold(out, context, spec, precisions_of(context, out)));
  return out;
}

}  // namespace tercet::contract
