// The WebGPU backend: a step's input is written into one buffer, its kernels are recorded into one pass, and what they sampled
// is copied out behind them.
#include "backend/backend.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "backend/check_batch.h"
#include "backend/host_backend.h"
#include "backend/marked_stages.h"
#include "base/check.h"
#include "wgpu/context.h"
#include "wgpu/input.h"
#include "wgpu/stages.h"
#include "wgpu/subgroups.h"
#include "wgpu/weights.h"
#include "wgpu/wgpu.h"

namespace tercet::wgpu {
namespace {

using backend::Batch;
using backend::KvType;
using backend::Precision;

KvType kv_type(Precision precision) { return precision == Precision::kExact ? KvType::kF32 : KvType::kF16; }

backend::Footprint footprint(const model::Model& model, const backend::Options& options) {
  const model::Config& c = model.config;
  const int64_t n_slot = int64_t{options.max_row} * c.n_expert_used;
  const int64_t a_row = int64_t{3} * c.d_model + 3 * int64_t{c.d_q()} + 4 * int64_t{c.d_kv()} + c.n_expert;
  const int64_t a_slot = int64_t{c.d_ff} + c.d_model + 8;
  const int64_t blocks = block_words(c, options.max_row, int64_t{1} << 20);
  const int64_t an_output = 2 * int64_t{c.n_vocab} + c.d_model + sample_view_words(c.n_vocab);
  return {
      .weight_bytes = weight_bytes_on_device(model),
      .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * kv_element_bytes(kv_type(options.precision)),
      .workspace_bytes = 4 * (options.max_row * a_row + n_slot * a_slot + options.max_sequence * an_output + blocks)};
}

class WgpuBackend final : public backend::Backend {
 public:
  WgpuBackend(std::shared_ptr<const model::Model> model, const backend::Limits& limits,
              std::unique_ptr<Context> context, std::unique_ptr<Weights> weights, int subgroup_width)
      : model_(std::move(model)),
        limits_(limits),
        context_(std::move(context)),
        weights_(std::move(weights)),
        stages_(*context_, model_->config, *weights_, limits.kv.type == KvType::kF32, subgroup_width),
        timer_(*context_),
        input_(model_->config, stages_.attn_tile_queries()) {}
  // What is in flight writes to what goes next.
  ~WgpuBackend() override { static_cast<void>(context_->flush()); }

  Status allocate();
  std::string_view name() const override { return "wgpu"; }
  std::string device() const override { return context_->name(); }
  const backend::Limits& limits() const override { return limits_; }
  Result<backend::Ticket> submit(const Batch& batch, backend::TraceSink* trace) override;
  Status wait(backend::Ticket ticket, backend::StepResult& out) override;
  Result<backend::StageTimes> time_step(const Batch& batch, backend::StepResult& out) override;

 private:
  // A step between submit() and wait().
  struct Pending {
    Pending(backend::Ticket its_ticket, const Batch& batch, backend::TraceSink* its_trace)
        : ticket(its_ticket), step(batch), trace(its_trace) {}
    backend::Ticket ticket;
    backend::Step step;
    backend::TraceSink* trace;
    SampleShape sample;
    std::vector<int> logit_outputs;  // whose logits come back
    WGPUSubmissionIndex submission = 0;
    Readback* results = nullptr;
  };

  Status record(Pending& pending);
  Status copy_pages(const backend::Step& step, WGPUCommandEncoder encoder);
  Status copy_results(Pending& pending, WGPUCommandEncoder encoder);
  void submit_recorded(Pending& pending, WGPUCommandEncoder encoder);
  // Of what comes back: results, lists, logits.
  int64_t lists_at(const Pending& pending) const { return 4 * kResultWords * std::ssize(pending.step.outputs()); }
  int64_t logits_at(const Pending& pending) const { return lists_at(pending) + 8 * int64_t{pending.sample.n_entry}; }
  int64_t logit_bytes() const { return int64_t{4} * model_->config.n_vocab; }
  void unpack(const Pending& pending, std::span<const std::byte> results, backend::StepResult& out);

  std::shared_ptr<const model::Model> model_;
  backend::Limits limits_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Weights> weights_;
  Stages stages_;
  StageTimer timer_;
  bool is_timed_ = false;  // the step that is being recorded
  InputWriter input_;
  Buffer page_;  // one page on its way: a copy within a buffer goes through another
  std::array<Readback, 2> results_;
  std::deque<Pending> pending_;
  backend::Ticket next_ticket_ = 1;
};

Status WgpuBackend::allocate() {
  RETURN_IF_ERROR(stages_.allocate(limits_.max_row, limits_.max_sequence, limits_.kv));
  const auto page_bytes = static_cast<uint64_t>(limits_.kv.page_bytes() / (2 * limits_.kv.n_layer));
  ASSIGN_OR_RETURN(page_,
                   context_->make_buffer(page_bytes, WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst, "a page"));
  return context_->status();
}

Status WgpuBackend::copy_pages(const backend::Step& step, WGPUCommandEncoder encoder) {
  const auto n_byte = static_cast<uint64_t>(limits_.kv.page_bytes() / (2 * limits_.kv.n_layer));
  for (const backend::PageCopy& copy : step.page_copies()) {
    for (const std::vector<Buffer>* of : {&stages_.kv.keys, &stages_.kv.values}) {
      for (const Buffer& layer : *of) {
        wgpuCommandEncoderCopyBufferToBuffer(encoder, layer.get(), n_byte * static_cast<uint64_t>(copy.from),
                                             page_.get(), 0, n_byte);
        wgpuCommandEncoderCopyBufferToBuffer(encoder, page_.get(), 0, layer.get(),
                                             n_byte * static_cast<uint64_t>(copy.to), n_byte);
      }
    }
  }
  return {};
}

Status WgpuBackend::copy_results(Pending& pending, WGPUCommandEncoder encoder) {
  const auto n_byte = static_cast<uint64_t>(logits_at(pending) + logit_bytes() * std::ssize(pending.logit_outputs));
  Readback& to = results_[pending.ticket % results_.size()];
  if (to.buffer == nullptr || wgpuBufferGetSize(to.buffer.get()) < n_byte) {
    to.buffer.reset();
    ASSIGN_OR_RETURN(to.buffer, context_->make_buffer(n_byte + n_byte / 2,
                                                      WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "results"));
  }
  pending.results = &to;
  const auto copy = [&](const Buffer& from, int64_t from_at, int64_t to_at, int64_t n) {
    if (n > 0)
      wgpuCommandEncoderCopyBufferToBuffer(encoder, from.get(), static_cast<uint64_t>(from_at), to.buffer.get(),
                                           static_cast<uint64_t>(to_at), static_cast<uint64_t>(n));
  };
  copy(stages_.b.results, 0, 0, lists_at(pending));
  copy(stages_.b.lists, 0, lists_at(pending), logits_at(pending) - lists_at(pending));
  int64_t at = logits_at(pending);
  for (const int output : pending.logit_outputs) {
    copy(stages_.b.logits, output * logit_bytes(), at, logit_bytes());
    at += logit_bytes();
  }
  submit_recorded(pending, encoder);
  context_->start_reading(to, n_byte);
  return {};
}

void WgpuBackend::submit_recorded(Pending& pending, WGPUCommandEncoder encoder) {
  stages_.timing().submitting();
  pending.submission = context_->submit(encoder);
  stages_.timing().submitted(pending.submission);
}

Status WgpuBackend::record(Pending& pending) {
  stages_.timing().start();
  const backend::Step& step = pending.step;
  const int n_output = static_cast<int>(step.outputs().size());
  const std::vector<uint32_t>& words = input_.write(step);
  pending.sample = input_.shape().sample;
  RETURN_IF_ERROR(stages_.reserve(n_output, words.size(), pending.sample));
  context_->write(stages_.b.input.get(), 0, words.data(), 4 * words.size());
  if (!step.page_copies().empty()) {
    const Handle<WGPUCommandEncoder, wgpuCommandEncoderRelease> encoder(
        wgpuDeviceCreateCommandEncoder(context_->device(), nullptr));
    RETURN_IF_ERROR(copy_pages(step, encoder.get()));
    context_->submit(encoder.get());
  }
  int max_length = 1;
  for (const backend::Sequence& s : step.sequences()) max_length = std::max(max_length, int{s.length});
  const int n_row = static_cast<int>(step.rows().size());
  const model::Shape shape{n_row, n_output, max_length};
  stages_.time_by(is_timed_ ? &timer_ : nullptr);
  stages_.begin(input_.shape(), pending.trace);
  if (is_timed_) {
    backend::MarkedStages timed(stages_, [&](backend::Stage stage) {
      if (stage != backend::Stage::kHead) stages_.end_stage(stage);
    });
    model::forward(timed, *model_, shape);
  } else {
    model::forward(stages_, *model_, shape);
  }
  WGPUCommandEncoder encoder = stages_.end();
  RETURN_IF_ERROR(stages_.status());
  if (n_output == 0) {
    submit_recorded(pending, encoder);
  } else {
    RETURN_IF_ERROR(copy_results(pending, encoder));
  }
  return {};
}

Result<backend::Ticket> WgpuBackend::submit(const Batch& batch, backend::TraceSink* trace) {
  check_batch(batch, limits_, model_->config.n_vocab);
  CHECK(pending_.size() < results_.size());
  RETURN_IF_ERROR(context_->status());
  Pending& pending = pending_.emplace_back(next_ticket_, batch, trace);
  for (int i = 0; i < std::ssize(pending.step.outputs()); ++i)
    if (pending.step.outputs()[static_cast<size_t>(i)].logits) pending.logit_outputs.push_back(i);
  if (const Status recorded = record(pending); !recorded) {
    pending_.pop_back();
    return tl::make_unexpected(recorded.error());
  }
  return next_ticket_++;
}

void WgpuBackend::unpack(const Pending& pending, std::span<const std::byte> results, backend::StepResult& out) {
  const auto words = [&](int64_t begin, int64_t end) {
    return std::span(reinterpret_cast<const uint32_t*>(results.data() + begin), static_cast<size_t>(end - begin) / 4);
  };
  unpack_samples(pending.step, model_->config.n_vocab, words(0, lists_at(pending)),
                 words(lists_at(pending), logits_at(pending)), out);
  const std::byte* row = results.data() + logits_at(pending);
  for (const int output : pending.logit_outputs) {
    const auto* logits = reinterpret_cast<const float*>(row);
    out.outputs[static_cast<size_t>(output)].logits.assign(logits, logits + model_->config.n_vocab);
    row += logit_bytes();
  }
}

Status WgpuBackend::wait(backend::Ticket ticket, backend::StepResult& out) {
  CHECK(!pending_.empty() && pending_.front().ticket == ticket);
  const Pending pending = std::move(pending_.front());
  pending_.pop_front();
  out.outputs.clear();
  const Stopwatch waiting;
  RETURN_IF_ERROR(context_->wait(pending.submission));
  stages_.timing().waited(static_cast<int>(pending.step.rows().size()), 1e3 * waiting.elapsed_ms());
  if (pending.results == nullptr) return {};
  ASSIGN_OR_RETURN(const auto bytes, context_->reading(*pending.results));
  unpack(pending, bytes, out);
  context_->done_reading(*pending.results);
  return {};
}

Result<backend::StageTimes> WgpuBackend::time_step(const Batch& batch, backend::StepResult& out) {
  CHECK(pending_.empty());
  RETURN_IF_ERROR(timer_.prepare(static_cast<uint32_t>(backend::kNumStage * (model_->layers.size() + 1))));
  is_timed_ = true;
  const auto ticket = submit(batch, nullptr);
  is_timed_ = false;
  if (!ticket) return tl::make_unexpected(ticket.error());
  timer_.start_reading();
  const Status done = wait(*ticket, out);
  // What was asked for is answered before the next one asks.
  auto times = timer_.read();
  RETURN_IF_ERROR(done);
  return times;
}

// What the kernels take; anything else is refused by name before it is loaded.
Status check_shapes(const Context& context, const model::Config& c) {
  const auto refuse = [&](std::string_view what, int seen, std::string_view wanted) {
    return error(Code::kUnsupported, "wgpu: {}: {} of {}, want {}", c.name, what, seen, wanted);
  };
  if (c.d_head % 4 != 0 || c.d_head > 1024) return refuse("a head size", c.d_head, "a multiple of 4 up to 1024");
  if (c.n_expert > 1024) return refuse("a number of experts", c.n_expert, "at most 1024");
  const WGPULimits& limits = context.limits();
  if (limits.maxComputeInvocationsPerWorkgroup < 256 || limits.maxComputeWorkgroupStorageSize < 16384)
    return error(Code::kDevice,
                 "wgpu: {}: {} threads and {} bytes a workgroup, want at least the 256 and 16384 that WebGPU promises",
                 context.name(), limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupStorageSize);
  return {};
}

// How much of a tensor one binding holds. TERCET_WGPU_MAX_BINDING lowers it, so that tests walk the paths of adapters
// with small limits.
Result<uint64_t> max_binding(const Context& context) {
  const uint64_t most = context.limits().maxStorageBufferBindingSize;
  const char* wanted = std::getenv("TERCET_WGPU_MAX_BINDING");
  if (wanted == nullptr || *wanted == '\0') return most;
  uint64_t value = 0;
  const char* end = wanted + std::strlen(wanted);
  const auto parsed = std::from_chars(wanted, end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value == 0)
    return error(Code::kInvalidArgument, "TERCET_WGPU_MAX_BINDING: {}, want a number of bytes", wanted);
  return std::min(value, most);
}

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model> model,
                                               const backend::Options& options) {
  const model::Config& c = model->config;
  ASSIGN_OR_RETURN(auto context, Context::open(options.device));
  RETURN_IF_ERROR(check_shapes(*context, c));
  ASSIGN_OR_RETURN(const uint64_t binding, max_binding(*context));
  ASSIGN_OR_RETURN(auto weights, load_weights(*context, *model, options.n_thread, binding, options.progress));
  ASSIGN_OR_RETURN(const int width, subgroup_width(*context));
  backend::Limits limits{options.max_row, options.max_sequence, {}};
  limits.kv = {kv_type(options.precision), kPageSize, options.n_page, c.n_layer, c.n_head_kv, c.d_head};
  auto out = std::make_unique<WgpuBackend>(std::move(model), limits, std::move(context), std::move(weights), width);
  RETURN_IF_ERROR(out->allocate());
  return out;
}

}  // namespace

const backend::Factory kFactory = {"wgpu", 2048, footprint, make};

}  // namespace tercet::wgpu
