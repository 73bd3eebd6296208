// Owns a run's taps in memory, and ref's run over them. In a replay, ref computes each tap from the recorded inputs and
// is compared with the recorded output; then it goes on with what was recorded (backend/taps.h: a sink may write into
// ref's values). That is the stage-local gate when every tap is put back, and the routing-forced gate when only the
// experts are.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "backend/taps.h"
#include "model/weights.h"
#include "trace/measure.h"

namespace tercet::trace {

using TapKey = std::pair<backend::Tap, int>;  // the tap and its layer, -1 where it has none

struct TapRows {
  int64_t width = 0;
  std::vector<float> f32;    // [n_row, width]
  std::vector<int32_t> ids;  // [n_row, width], for taps of ids
};

// Keeps every tap of the steps since clear(), one after the other.
class Recording final : public backend::TraceSink {
 public:
  void clear() { taps_.clear(); }
  bool wants(backend::Tap) const override { return true; }
  void write(const backend::TapView& view) override;
  const TapRows& at(backend::Tap tap, int layer) const { return taps_.at({tap, layer}); }
  const std::map<TapKey, TapRows>& taps() const { return taps_; }

 private:
  std::map<TapKey, TapRows> taps_;
};

enum class Gate { kStageLocal, kRoutingForced };

struct TapVerdict {
  Agreement worst;          // over the steps of a run, by relative L2
  double worst_cosine = 1;  // of a single row
  bool failed = false;      // values that cannot be compared: NaN, a zero vector
};

class Replay final : public backend::TraceSink {
 public:
  // Both must outlive the replay. A step replays the one whose taps `recorded` holds then, and must have its rows: the
  // two runs go side by side, a step at a time, and a long prompt need not fit in memory.
  Replay(const Recording& recorded, const model::Model& model, Gate gate)
      : recorded_(recorded), model_(model), gate_(gate) {}

  bool wants(backend::Tap) const override { return true; }
  void write(const backend::TapView& view) override;

  const std::map<TapKey, TapVerdict>& verdicts() const { return verdicts_; }
  int64_t n_choice() const { return n_choice_; }
  int64_t n_flip() const { return n_flip_; }  // rows and layers where the chosen set differs
  // The most by which the backend preferred an expert that ref ranks below one it left out: a difference of router
  // logits, divided by the largest magnitude among that row's logits.
  double worst_flip_margin() const { return worst_flip_margin_; }

 private:
  void compare_values(const backend::TapView& view, std::span<const float> recorded);
  void compare_choice(const backend::TapView& view, std::span<const int32_t> recorded);
  double flip_margin(int layer, int64_t row, std::span<const int32_t> ours, std::span<const int32_t> theirs) const;

  const Recording& recorded_;
  const model::Model& model_;
  const Gate gate_;
  std::map<TapKey, TapVerdict> verdicts_;
  std::vector<float> router_in_;  // ffn_norm of the layer at hand
  int64_t n_choice_ = 0;
  int64_t n_flip_ = 0;
  double worst_flip_margin_ = 0;
};

}  // namespace tercet::trace
