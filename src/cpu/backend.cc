#include <cmath>

#include "backend/staged_backend.h"
#include "base/cpu_info.h"
#include "cpu/context.h"
#include "cpu/cpu.h"

namespace tercet::cpu {

Stages::Stages(const model::Config& config, const backend::HostKv& kv, const Kernels& kernels, ThreadPool& pool,
               backend::Precision precision)
    : config_(config), kv_(kv), kernels_(kernels), pool_(pool), precision_(precision) {
  for (int i = 0; i < config.d_head / 2; ++i)
    inverse_frequency_.push_back(std::pow(double{config.rope_base}, -2.0 * i / config.d_head));
}

void Stages::begin(const backend::Step& step, backend::TraceSink* trace) {
  step_ = &step;
  trace_ = trace;
  // All layers turn a position by the same angles: once a step, in double, as ref does.
  cosine_.clear();
  sine_.clear();
  for (const backend::Row& row : step.rows()) {
    for (const double frequency : inverse_frequency_) {
      cosine_.push_back(static_cast<float>(std::cos(row.position * frequency)));
      sine_.push_back(static_cast<float>(std::sin(row.position * frequency)));
    }
  }
}

void Stages::tap(backend::Tap tap, int layer, std::span<const float> values, int64_t width) {
  if (trace_ == nullptr || !trace_->wants(tap)) return;
  std::vector<float> copy(values.begin(), values.end());
  trace_->write({tap, layer, std::ssize(values) / width, width, copy, {}});
}

void Stages::tap_ids(backend::Tap tap, int layer, std::span<const int32_t> ids, int64_t width) {
  if (trace_ == nullptr || !trace_->wants(tap)) return;
  std::vector<int32_t> copy(ids.begin(), ids.end());
  trace_->write({tap, layer, std::ssize(ids) / width, width, {}, copy});
}

void Stages::normalise(Input& out, std::span<const float> w) {
  const int64_t dim = std::ssize(w);
  pool_.parallel_for(out.n_row(), 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.rms_norm(out.row(r), x_.data() + r * dim, w.data(), dim, config_.rms_eps);
  });
  out.set_changed();
}

void Stages::add_residual(const float* y) {
  pool_.parallel_for(std::ssize(x_), int64_t{1} << 14, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) x_[static_cast<size_t>(i)] += y[i];
  });
}

namespace {

struct Cpu {
  using Stages = cpu::Stages;
  static constexpr std::string_view kName = "cpu";
  static std::string device(int n_thread) {
    return fmt::format("{}, {} threads, {}", cpu_name(), n_thread, best_kernels().name);
  }
  static backend::KvType kv_type(backend::Precision precision) {
    return precision == backend::Precision::kExact ? backend::KvType::kF32 : backend::KvType::kF16;
  }
  static Stages stages(const model::Config& config, const backend::HostKv& kv, ThreadPool& pool,
                       backend::Precision precision) {
    return {config, kv, best_kernels(), pool, precision};
  }
};

}  // namespace

constinit const backend::Factory kFactory = backend::StagedBackend<Cpu>::factory();

}  // namespace tercet::cpu
