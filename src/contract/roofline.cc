#include "contract/roofline.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

#include "contract/prompt.h"

namespace tercet::contract {
namespace {

using backend::Tap;
using Clock = std::chrono::steady_clock;

constexpr int kRows = 64;           // of a step of a prompt
constexpr int kDecodes = 24;        // steps of one row behind it
constexpr int kLeast = 3;           // steps, however long they take
constexpr double kMostSeconds = 2;  // of each kind, when there are that many

// In the order of the pass. embed ends where the clock begins: what comes before its tap is the step's own setting up.
constexpr std::array<std::string_view, 6> kStages = {"attn_in", "attn", "attn_out", "route", "experts", "head"};

std::optional<size_t> stage_that_ends(Tap tap) {
  switch (tap) {
    case Tap::kVcur: return 0;
    case Tap::kKqvOut: return 1;
    case Tap::kFfnInp: return 2;
    case Tap::kFfnMoeWeightsNorm: return 3;
    case Tap::kLOut: return 4;
    case Tap::kResultOutput: return 5;
    default: return {};
  }
}

// The clock at the last tap of each stage, and how many experts each layer's rows chose.
class StageClock final : public backend::TraceSink {
 public:
  bool wants(Tap tap) const override {
    return tap == Tap::kInpEmbd || tap == Tap::kFfnMoeTopk || stage_that_ends(tap).has_value();
  }
  void write(const backend::TapView& view) override {
    const auto now = Clock::now();
    if (view.tap == Tap::kInpEmbd) seconds_ = {};
    if (view.tap == Tap::kInpEmbd) n_expert_ = 0;
    if (view.tap == Tap::kFfnMoeTopk) {
      n_expert_ += std::set<int32_t>(view.ids.begin(), view.ids.end()).size();
      return;  // in the midst of route
    }
    if (const auto stage = stage_that_ends(view.tap))
      seconds_[*stage] += std::chrono::duration<double>(now - last_).count();
    last_ = Clock::now();
  }
  const std::array<double, kStages.size()>& seconds() const { return seconds_; }
  size_t n_expert() const { return n_expert_; }  // different ones in each layer, all layers together

 private:
  Clock::time_point last_;
  std::array<double, kStages.size()> seconds_ = {};
  size_t n_expert_ = 0;
};

struct Cost {
  double bytes = 0;
  double flops = 0;
};

double product(const model::QTensor& w, double n_row) {
  return 2 * n_row * static_cast<double>(w.rows) * static_cast<double>(w.cols);
}

// Rows at the end of a sequence of `length` tokens, all of them outputs.
std::array<Cost, kStages.size()> costs(const model::Model& model, int64_t n_row, int64_t length, double n_expert,
                                       double kv_bytes_per_token) {
  std::array<Cost, kStages.size()> out;
  auto& [attn_in, attn, attn_out, route, experts, head] = out;
  const auto rows = static_cast<double>(n_row);
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

struct Steps {
  std::vector<std::array<double, kStages.size()>> seconds;
  double n_expert = 0;  // the mean
  double length = 0;    // the mean
};

std::vector<StagePoint> points_of(const Steps& steps, const model::Model& model, int64_t n_row,
                                  double kv_bytes_per_token) {
  const auto cost = costs(model, n_row, static_cast<int64_t>(steps.length), steps.n_expert, kv_bytes_per_token);
  std::vector<StagePoint> out;
  for (size_t i = 0; i < kStages.size(); ++i) {
    std::vector<double> seconds;
    for (const auto& step : steps.seconds) seconds.push_back(step[i]);
    out.push_back({std::string(kStages[i]), n_row, median(std::move(seconds)), cost[i].bytes, cost[i].flops});
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
  backend::Options options = options_for(n_text, precision, world.n_thread);
  ASSIGN_OR_RETURN(const auto backend, start(subject, world.model, options));
  const double kv = static_cast<double>(subject.factory->footprint(*world.model, options).kv_bytes_per_token);
  StageClock clock;
  // The first step is not counted: it is the one that touches the weights first.
  const auto run = [&](int first, int n, int n_step, int stride) -> Result<Steps> {
    Steps out;
    const auto begin = Clock::now();
    for (int i = -1; i < n_step; ++i) {
      RETURN_IF_ERROR(world.go_on());
      const int at = first + std::max(i, 0) * stride;
      RETURN_IF_ERROR(run_rows(*backend, text.ids, at, n, &clock));
      if (i < 0) continue;
      out.seconds.push_back(clock.seconds());
      out.n_expert += static_cast<double>(clock.n_expert());
      out.length += at + n;
      if (i + 1 >= kLeast && std::chrono::duration<double>(Clock::now() - begin).count() > kMostSeconds) break;
    }
    const auto count = static_cast<double>(out.seconds.size());
    out.n_expert /= count;
    out.length /= count;
    return out;
  };
  ASSIGN_OR_RETURN(const Steps prompt, run(0, n_row, 8, 0));
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

// Fills in the points, or says why there are none.
Status measure(const World& world, const Subject& subject, Depth depth, Roofline& out) {
  if (subject.device.kind == backend::DeviceKind::kSoftware)
    return error(Code::kUnsupported, "software that plays a GPU has no memory of its own to be held against");
  if (subject.read_bandwidth) {
    ASSIGN_OR_RETURN(out.read_bandwidth, subject.read_bandwidth());
  }
  if (subject.device.kind == backend::DeviceKind::kCpu) {
    ASSIGN_OR_RETURN(out.points, measure_stages(world, subject, out.precision));
    if (!out.read_bandwidth) out.absent = "what the memory can be read at was not measured";
    return {};
  }
  if (depth == Depth::kQuick) return error(Code::kUnsupported, "to time a step takes longer than --quick allows");
  ASSIGN_OR_RETURN(const StagePoint step, measure_step(world, subject));
  out.points.push_back(step);
  out.absent =
      fmt::format("{} runs a step as one piece, so that its stages have no times of their own", subject.name());
  return {};
}

}  // namespace

Result<Roofline> measure_roofline(const World& world, const Subject& subject, Depth depth) {
  Roofline out;
  out.backend = subject.name();
  const Status measured = measure(world, subject, depth, out);
  if (!measured && measured.error().code == Code::kCancelled) return tl::make_unexpected(measured.error());
  if (!measured) out.absent = measured.error().message;
  return out;
}

}  // namespace tercet::contract
