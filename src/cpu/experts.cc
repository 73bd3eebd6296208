// experts   contract: docs/stages.md#experts   mirrors: ref/experts.cc, cuda/experts.cu, wgpu/experts.wgsl
//   y = sum_i w_i down_e(silu(gate_e h) * up_e h), e = ids_i, in slot order; x = x + y
//   h, x, y: [n_row, d_model] f32   gate, up: [n_expert][d_ff, d_model]   down: [n_expert][d_model, d_ff] quantized
//   launch: 32 to 512 weight rows of one expert a piece, all experts in one region
//   sum: kernels.h's fixed order, then slot order in f32; the residual is added in f32
//   cost: reads each chosen expert's matrices once a step; bandwidth-bound for few rows
#include "cpu/context.h"

namespace tercet::cpu {

using backend::Tap;

void Stages::experts(const model::LayerSpec& layer, const model::Shape& shape) {
  group_slots_by_expert();
  const int64_t n_slot = std::ssize(ids_);
  const int64_t d_ff = config_.d_ff;
  gate_.resize(static_cast<size_t>(n_slot * d_ff));
  up_.resize(static_cast<size_t>(n_slot * d_ff));
  down_.resize(static_cast<size_t>(n_slot * config_.d_model));
  act_.resize(n_slot, d_ff);
  const auto for_each_expert = [&](auto&& add) {
    jobs_.clear();
    for (int e = 0; e < config_.n_expert; ++e) {
      const int32_t begin = slot_begin_[static_cast<size_t>(e)];
      const int32_t end = slot_begin_[static_cast<size_t>(e) + 1];
      if (begin != end) add(e, static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    }
    project(jobs_);
  };

  for_each_expert([&](int e, size_t begin, size_t n) {
    const auto rows = std::span<const int32_t>(slot_row_).subspan(begin, n);
    jobs_.push_back({layer.gate_exps.mat(e), &h_, rows, gate_.data() + static_cast<int64_t>(begin) * d_ff});
    jobs_.push_back({layer.up_exps.mat(e), &h_, rows, up_.data() + static_cast<int64_t>(begin) * d_ff});
  });
  pool_.parallel_for(n_slot, 4, [&](int64_t begin, int64_t end, int) {
    kernels_.swiglu(act_.row(begin), gate_.data() + begin * d_ff, up_.data() + begin * d_ff, (end - begin) * d_ff);
  });
  act_.set_changed();
  for_each_expert([&](int e, size_t begin, size_t n) {
    jobs_.push_back({layer.down_exps.mat(e), &act_, std::span<const int32_t>(slot_iota_).subspan(begin, n),
                     down_.data() + static_cast<int64_t>(begin) * config_.d_model});
  });

  y_.resize(x_.size());
  pool_.parallel_for(shape.n_row, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) sum_slots(static_cast<int>(r));
  });
  tap(Tap::kFfnMoeOut, layer.index, y_, config_.d_model);
  add_residual(y_.data());
  tap(Tap::kLOut, layer.index, x_, config_.d_model);
}

// A counting sort of (row, choice) by expert: each expert's matrices are read once for all its rows.
void Stages::group_slots_by_expert() {
  slot_begin_.assign(static_cast<size_t>(config_.n_expert) + 1, 0);
  for (const int32_t e : ids_) ++slot_begin_[static_cast<size_t>(e) + 1];
  for (size_t e = 1; e < slot_begin_.size(); ++e) slot_begin_[e] += slot_begin_[e - 1];
  std::vector<int32_t> next(slot_begin_.begin(), slot_begin_.end() - 1);
  slot_row_.resize(ids_.size());
  slot_at_.resize(ids_.size());
  slot_iota_.resize(ids_.size());
  for (size_t i = 0; i < ids_.size(); ++i) {
    const int32_t at = next[static_cast<size_t>(ids_[i])]++;
    slot_at_[i] = at;
    slot_row_[static_cast<size_t>(at)] = static_cast<int32_t>(i) / config_.n_expert_used;
    slot_iota_[i] = static_cast<int32_t>(i);
  }
}

void Stages::sum_slots(int row) {
  const int64_t d_model = config_.d_model;
  float* y = y_.data() + row * d_model;
  std::fill_n(y, d_model, 0.0F);
  for (int i = 0; i < config_.n_expert_used; ++i) {
    const auto slot = static_cast<size_t>(int64_t{row} * config_.n_expert_used + i);
    kernels_.axpy(y, weights_[slot], down_.data() + slot_at_[slot] * d_model, d_model);
  }
}

}  // namespace tercet::cpu
