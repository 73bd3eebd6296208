// Owns what is left of a host backend once its stages are given: the threads, the choice of the cache's type, and a
// step's way through model::forward.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "backend/host_backend.h"
#include "backend/marked_stages.h"
#include "base/clock.h"
#include "base/thread_pool.h"
#include "model/qwen3_moe.h"

namespace tercet::backend {

// K is what sets a host backend apart: Stages, kName, device(n_thread), kv_type(precision), and stages(...), which may keep
// the references that it gets.
template <typename K>
class StagedBackend final : public HostBackend {
  static_assert(model::StageSet<typename K::Stages>);

 public:
  static Result<std::unique_ptr<Backend>> make(std::shared_ptr<const model::Model> model, const Options& options) {
    const model::Config& c = model->config;
    Limits limits{options.max_row, options.max_sequence, {}};
    limits.kv = {K::kv_type(options.precision), limits.kv.page_size, options.n_page, c.n_layer, c.n_head_kv, c.d_head};
    ASSIGN_OR_RETURN(auto kv, HostKv::allocate(limits.kv));
    read_ahead(*model, options.progress);
    return std::unique_ptr<Backend>(new StagedBackend(std::move(model), limits, std::move(kv), options));
  }

  static Footprint footprint(const model::Model& model, const Options& options) {
    return host_footprint(model, options, K::kv_type(options.precision));
  }

  // 512 rows a step: enough that the weights, read once a step, are shared by many tokens of a prompt.
  static constexpr Factory factory() { return {K::kName, 512, footprint, make}; }

  std::string_view name() const override { return K::kName; }
  std::string device() const override { return K::device(pool_.n_thread()); }

 private:
  StagedBackend(std::shared_ptr<const model::Model> model, const Limits& limits, std::unique_ptr<HostKv> kv,
                const Options& options)
      : HostBackend(std::move(model), limits, std::move(kv)),
        pool_(options.n_thread),
        stages_(K::stages(this->model().config, this->kv(), pool_, options.precision)) {}

  std::span<const float> run(const Step& step, TraceSink* trace, StageTimes* times) override {
    stages_.begin(step, trace);
    const model::Shape shape{static_cast<int>(step.rows().size()), static_cast<int>(step.outputs().size()), 0};
    if (times == nullptr) {
      model::forward(stages_, model(), shape);
    } else {
      Stopwatch clock;
      MarkedStages timed(stages_, [&](Stage stage) {
        (*times)[static_cast<size_t>(stage)] += clock.elapsed_ms() / 1e3;
        clock.restart();
      });
      model::forward(timed, model(), shape);
    }
    return stages_.logits();
  }

  ThreadPool pool_;
  typename K::Stages stages_;
};

}  // namespace tercet::backend
