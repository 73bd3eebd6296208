#include <thread>

#include "ref/context.h"
#include "ref/ref.h"

namespace tercet::ref {

static_assert(model::StageSet<Stages>);

void Stages::begin(const backend::Step& step, backend::TraceSink* trace) {
  step_ = &step;
  trace_ = trace;
}

void Stages::tap(backend::Tap tap, int layer, std::span<float> values, int64_t width) {
  if (trace_ != nullptr && trace_->wants(tap))
    trace_->write({tap, layer, std::ssize(values) / width, width, values, {}});
}

void Stages::tap_ids(backend::Tap tap, int layer, std::span<int32_t> ids, int64_t width) {
  if (trace_ != nullptr && trace_->wants(tap)) trace_->write({tap, layer, std::ssize(ids) / width, width, {}, ids});
}

namespace {

class RefBackend final : public backend::HostBackend {
 public:
  RefBackend(std::shared_ptr<const model::Model> model, const backend::Limits& limits,
             std::unique_ptr<backend::HostKv> kv, int n_thread)
      : HostBackend(std::move(model), limits, std::move(kv)),
        pool_(n_thread),
        stages_(this->model().config, this->kv(), pool_) {}

  std::string_view name() const override { return "ref"; }
  std::string device() const override { return fmt::format("reference, {} threads", pool_.n_thread()); }

 private:
  std::span<const float> run(const backend::Step& step, backend::TraceSink* trace) override {
    stages_.begin(step, trace);
    model::forward(stages_, model(),
                   {static_cast<int>(step.rows().size()), static_cast<int>(step.outputs().size()), 0});
    return stages_.logits();
  }

  ThreadPool pool_;
  Stages stages_;
};

backend::Footprint footprint(const model::Model& model, const backend::Options& options) {
  return host_footprint(model, options, backend::KvType::kF32);
}

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model> model,
                                               const backend::Options& options) {
  const model::Config& c = model->config;
  backend::Limits limits{options.max_row, options.max_sequence, {}};
  limits.kv = {backend::KvType::kF32, limits.kv.page_size, options.n_page, c.n_layer, c.n_head_kv, c.d_head};
  ASSIGN_OR_RETURN(auto kv, backend::HostKv::allocate(limits.kv));
  backend::read_ahead(*model, options.progress);
  return std::make_unique<RefBackend>(std::move(model), limits, std::move(kv), options.n_thread);
}

}  // namespace

const backend::Factory kFactory = {"ref", 512, footprint, make};

}  // namespace tercet::ref
