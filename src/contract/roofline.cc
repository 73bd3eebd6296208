#include "contract/roofline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <set>
#include <utility>

#include "contract/prompt.h"

namespace tercet::contract {
namespace {

using backend::kNumStage;
using backend::StageTimes;
using Clock = std::chrono::steady_clock;

constexpr int kRows = 64;           // of a step of a prompt
constexpr int kDecodes = 24;        // steps of one row behind it
constexpr int kPrompts = 8;         // steps of many
constexpr int kLeast = 3;           // steps, however long they take
constexpr double kMostSeconds = 2;  // of each kind, when there are that many

// How many experts each layer's rows chose: what of the weights a step has to read.
class ExpertCount final : public backend::TraceSink {
 public:
  bool wants(backend::Tap tap) const override { return tap == backend::Tap::kFfnMoeTopk; }
  void write(const backend::TapView& view) override {
    n_ += std::set<int32_t>(view.ids.begin(), view.ids.end()).size();
  }
  // Different ones in each layer, all layers together.
  double take() { return static_cast<double>(std::exchange(n_, 0)); }

 private:
  size_t n_ = 0;
};

struct Cost {
  double bytes = 0;
  double flops = 0;
};

double product(const model::QTensor& w, double n_row) {
  return 2 * n_row * static_cast<double>(w.rows) * static_cast<double>(w.cols);
}

// Rows at the end of a sequence of `length` tokens, all of them outputs.
std::array<Cost, kNumStage> costs(const model::Model& model, int64_t n_row, int64_t length, double n_expert,
                                  double kv_bytes_per_token) {
  std::array<Cost, kNumStage> out;
  auto& [embed, attn_in, attn, attn_out, route, experts, head] = out;
  const auto rows = static_cast<double>(n_row);
  embed.bytes = rows * static_cast<double>(model.token_embd.row_bytes());
  for (const model::LayerSpec& layer : model.layers) {
    for (const model::QTensor* w : {&layer.wq, &layer.wk, &layer.wv}) {
      attn_in.bytes += static_cast<double>(w->mat_bytes());
      attn_in.flops += product(*w, rows);
    }
    // A row at position p multiplies its queries with p + 1 keys, and as many values with what came of that.
    const double pairs = rows * (static_cast<double>(length) - (rows - 1) / 2);
    attn.flops += 4 * pairs * model.config.d_q();
    attn_out.bytes += static_cast<double>(layer.wo.mat_bytes());
    attn_out.flops += product(layer.wo, rows);
    route.bytes += static_cast<double>(layer.gate_inp.mat_bytes());
    route.flops += product(layer.gate_inp, rows);
    for (const model::QTensor* w : {&layer.gate_exps, &layer.up_exps, &layer.down_exps}) {
      experts.bytes += static_cast<double>(w->mat_bytes()) * n_expert /
                       static_cast<double>(std::max<size_t>(1, model.layers.size()));
      experts.flops += product(*w, rows * model.config.n_expert_used);
    }
  }
  attn.bytes = kv_bytes_per_token * static_cast<double>(length);
  head.bytes = static_cast<double>(model.output.mat_bytes());
  head.flops = product(model.output, rows);
  return out;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Tokens first .. first + n - 1 of one sequence as one step, its earlier ones being in the cache; each row is an output, so that
// the head has as many as the other stages.
Result<StageTimes> time_rows(backend::Backend& backend, std::span<const TokenId> ids, int first, int n) {
  std::vector<backend::PageId> pages(static_cast<size_t>(backend.limits().kv.n_page));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<backend::Row> rows;
  std::vector<backend::Output> outputs;
  for (const TokenId id : ids.subspan(static_cast<size_t>(first), static_cast<size_t>(n))) {
    const auto i = static_cast<int>(rows.size());
    rows.push_back({id, first + i, 0});
    outputs.emplace_back().row = i;
  }
  const backend::Sequence sequence{0, first + n, pages};
  backend::StepResult ignored;
  return backend.time_step({rows, {&sequence, 1}, {}, outputs}, ignored);
}

struct Steps {
  std::vector<StageTimes> seconds;
  double n_expert = 0;  // the mean
  double length = 0;    // the mean
};

std::vector<StagePoint> points_of(const Steps& steps, const model::Model& model, int64_t n_row,
                                  double kv_bytes_per_token) {
  const auto cost = costs(model, n_row, static_cast<int64_t>(steps.length), steps.n_expert, kv_bytes_per_token);
  std::vector<StagePoint> out;
  for (size_t i = 0; i < kNumStage; ++i) {
    std::vector<double> seconds;
    for (const StageTimes& step : steps.seconds) seconds.push_back(step[i]);
    const std::string name(backend::stage_name(static_cast<backend::Stage>(i)));
    out.push_back({name, n_row, median(std::move(seconds)), cost[i].bytes, cost[i].flops});
  }
  return out;
}

Result<std::vector<StagePoint>> measure_stages(const World& world, const Subject& subject,
                                               backend::Precision precision) {
  const int n_prompt = std::min(kRows, world.model->config.n_ctx_train - 1);
  ASSIGN_OR_RETURN(const Text text, shipped_text(world, n_prompt + kDecodes));
  const auto n_text = static_cast<int>(text.ids.size());
  const int n_row = std::min(n_prompt, n_text - 1);
  if (n_row < 1) return error(Code::kUnsupported, "{} tokens of text, want two", n_text);
  const backend::Options options = options_for(n_text, precision, world.n_thread);
  ASSIGN_OR_RETURN(const auto backend, start(subject, world.model, options));
  const double kv = static_cast<double>(subject.factory->footprint(*world.model, options).kv_bytes_per_token);
  // Each step is run once for its experts and again, over the same places of the cache, for its time. The first is not counted:
  // it is the one that touches the weights first.
  const auto run = [&](int first, int n, int n_step, int stride) -> Result<Steps> {
    Steps out;
    const auto begin = Clock::now();
    for (int i = -1; i < n_step; ++i) {
      RETURN_IF_ERROR(world.go_on());
      const int at = first + std::max(i, 0) * stride;
      ExpertCount chosen;
      RETURN_IF_ERROR(run_rows(*backend, text.ids, at, n, &chosen));
      ASSIGN_OR_RETURN(const StageTimes seconds, time_rows(*backend, text.ids, at, n));
      if (i < 0) continue;
      out.seconds.push_back(seconds);
      out.n_expert += chosen.take();
      out.length += at + n;
      if (i + 1 >= kLeast && std::chrono::duration<double>(Clock::now() - begin).count() > kMostSeconds) break;
    }
    const auto count = static_cast<double>(out.seconds.size());
    out.n_expert /= count;
    out.length /= count;
    return out;
  };
  ASSIGN_OR_RETURN(const Steps prompt, run(0, n_row, kPrompts, 0));
  ASSIGN_OR_RETURN(const Steps decode, run(n_row, 1, n_text - n_row, 1));
  std::vector<StagePoint> points = points_of(decode, *world.model, 1, kv);
  for (StagePoint& point : points_of(prompt, *world.model, n_row, kv)) points.push_back(std::move(point));
  return points;
}

// The whole of a step of decoding, on a device.
Result<StagePoint> measure_step(const World& world, const Subject& subject) {
  ASSIGN_OR_RETURN(const Decoding decoding, subject.decode());
  StagePoint out{"step", 1, decoding.seconds, decoding.bytes, 0};
  for (const Cost& cost : costs(*world.model, 1, kDecodeSteps / 2, 0, 0)) out.flops += cost.flops;
  return out;
}

// What could not be measured, and why, one after the other.
class Absent {
 public:
  void add(std::string_view why) {
    if (!text_.empty()) text_ += "; ";
    text_ += why;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// Errors: kCancelled.
Status measure(const World& world, const Subject& subject, Depth depth, Roofline& out, Absent& absent) {
  const auto keep = [&](auto measured, const auto& into) -> Status {
    if (measured)
      into(*std::move(measured));
    else if (measured.error().code == Code::kCancelled)
      return tl::make_unexpected(measured.error());
    else
      absent.add(measured.error().message);
    return {};
  };
  if (subject.read_bandwidth)
    RETURN_IF_ERROR(keep(subject.read_bandwidth(), [&](double bandwidth) { out.read_bandwidth = bandwidth; }));
  else
    absent.add("what the memory can be read at was not measured");
  if (subject.arithmetic)
    RETURN_IF_ERROR(keep(subject.arithmetic(), [&](backend::Arithmetic&& most) { out.arithmetic = std::move(most); }));
  else
    absent.add("what it computes at most was not measured");
  const bool is_host = subject.device.kind == backend::DeviceKind::kCpu;
  if (!is_host && depth == Depth::kQuick) {
    absent.add("to load a device again and time its stages takes longer than --quick allows");
    return {};
  }
  const auto more = [&](std::vector<StagePoint>&& points) { out.points = std::move(points); };
  RETURN_IF_ERROR(keep(measure_stages(world, subject, out.precision), more));
  if (is_host) return {};  // whose stages are the step: nothing of it overlaps
  return keep(measure_step(world, subject), [&](StagePoint&& step) { out.points.push_back(std::move(step)); });
}

}  // namespace

Result<Roofline> measure_roofline(const World& world, const Subject& subject, Depth depth) {
  Roofline out;
  out.backend = subject.name();
  Absent absent;
  if (subject.device.kind == backend::DeviceKind::kSoftware)
    absent.add("software that plays a GPU has no memory of its own to be held against");
  else
    RETURN_IF_ERROR(measure(world, subject, depth, out, absent));
  out.absent = absent.take();
  return out;
}

}  // namespace tercet::contract
