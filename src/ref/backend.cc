#include "backend/staged_backend.h"
#include "ref/context.h"
#include "ref/ref.h"

namespace tercet::ref {

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

struct Ref {
  using Stages = ref::Stages;
  static constexpr std::string_view kName = "ref";
  static std::string device(int n_thread) { return fmt::format("reference, {} threads", n_thread); }
  static backend::KvType kv_type(backend::Precision) { return backend::KvType::kF32; }
  static Stages stages(const model::Config& config, const backend::HostKv& kv, ThreadPool& pool, backend::Precision) {
    return {config, kv, pool};
  }
};

}  // namespace

constinit const backend::Factory kFactory = backend::StagedBackend<Ref>::factory();

}  // namespace tercet::ref
