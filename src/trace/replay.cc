#include "trace/replay.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace tercet::trace {

using backend::Tap;
using backend::TapView;

void Recording::write(const TapView& view) {
  TapRows& rows = taps_[{view.tap, view.layer}];
  rows.width = view.width;
  rows.f32.insert(rows.f32.end(), view.f32.begin(), view.f32.end());
  rows.ids.insert(rows.ids.end(), view.ids.begin(), view.ids.end());
}

void Replay::write(const TapView& view) {
  const TapRows& rows = recorded_.at(view.tap, view.layer);
  CHECK(rows.width == view.width && rows.f32.size() == view.f32.size() && rows.ids.size() == view.ids.size());
  if (view.n_row == 0) return;
  if (view.tap == Tap::kFfnNorm) router_in_.assign(view.f32.begin(), view.f32.end());
  if (!view.ids.empty()) {
    compare_choice(view, rows.ids);
    std::copy(rows.ids.begin(), rows.ids.end(), view.ids.begin());
    return;
  }
  compare_values(view, rows.f32);
  if (gate_ != Gate::kStageLocal) return;
  std::copy(rows.f32.begin(), rows.f32.end(), view.f32.begin());
  if (view.tap == Tap::kFfnNorm) router_in_ = rows.f32;
}

void Replay::compare_values(const TapView& view, std::span<const float> recorded) {
  TapVerdict& verdict = verdicts_[{view.tap, view.layer}];
  const auto whole = measure(recorded, view.f32);
  if (!whole) {
    verdict.failed = true;
    return;
  }
  if (whole->relative_l2 >= verdict.worst.relative_l2) verdict.worst = *whole;
  const auto width = static_cast<size_t>(view.width);
  for (size_t at = 0; at < recorded.size(); at += width) {
    const auto row = measure(recorded.subspan(at, width), view.f32.subspan(at, width));
    if (!row)
      verdict.failed = true;
    else
      verdict.worst_cosine = std::min(verdict.worst_cosine, row->cosine);
  }
}

void Replay::compare_choice(const TapView& view, std::span<const int32_t> recorded) {
  const auto k = static_cast<size_t>(view.width);
  for (size_t r = 0; r < static_cast<size_t>(view.n_row); ++r) {
    std::vector<int32_t> ours(view.ids.begin() + static_cast<int64_t>(r * k),
                              view.ids.begin() + static_cast<int64_t>((r + 1) * k));
    std::vector<int32_t> theirs(recorded.begin() + static_cast<int64_t>(r * k),
                                recorded.begin() + static_cast<int64_t>((r + 1) * k));
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    ++n_choice_;
    if (ours == theirs) continue;
    ++n_flip_;
    worst_flip_margin_ = std::max(worst_flip_margin_, flip_margin(view.layer, static_cast<int64_t>(r), ours, theirs));
  }
}

double Replay::flip_margin(int layer, int64_t row, std::span<const int32_t> ours,
                           std::span<const int32_t> theirs) const {
  const model::QTensor& router = model_.layers[static_cast<size_t>(layer)].gate_inp;
  std::vector<float> w(static_cast<size_t>(router.cols));
  std::vector<double> logits(static_cast<size_t>(router.rows));
  double scale = 0;
  for (int64_t e = 0; e < router.rows; ++e) {
    router.format->dequantize(w.data(), router.row(e), router.cols / router.format->block_size);
    double sum = 0;
    for (int64_t i = 0; i < router.cols; ++i)
      sum += double{w[static_cast<size_t>(i)]} * double{router_in_[static_cast<size_t>(row * router.cols + i)]};
    logits[static_cast<size_t>(e)] = sum;
    scale = std::max(scale, std::abs(sum));
  }
  double left_out = -HUGE_VAL;
  double taken = HUGE_VAL;
  for (const int32_t e : ours)
    if (!std::binary_search(theirs.begin(), theirs.end(), e))
      left_out = std::max(left_out, logits[static_cast<size_t>(e)]);
  for (const int32_t e : theirs)
    if (!std::binary_search(ours.begin(), ours.end(), e)) taken = std::min(taken, logits[static_cast<size_t>(e)]);
  return scale > 0 ? (left_out - taken) / scale : 0;
}

}  // namespace tercet::trace
