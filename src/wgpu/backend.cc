// The WebGPU backend: a step's input is written into one buffer, its kernels are recorded into one pass, and tokens are
// copied out behind them. What the device's sampler does not do, the host does on the step's logits; steps behind such a
// one are recorded when it is done.
#include "backend/backend.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "backend/check_batch.h"
#include "backend/host_backend.h"
#include "backend/sampling.h"
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
using backend::Output;
using backend::Precision;
using backend::TokenId;

KvType kv_type(Precision precision) { return precision == Precision::kExact ? KvType::kF32 : KvType::kF16; }

backend::Footprint footprint(const model::Model& model, const backend::Options& options) {
  const model::Config& c = model.config;
  const int64_t n_slot = int64_t{options.max_row} * c.n_expert_used;
  const int64_t a_row = int64_t{3} * c.d_model + 3 * int64_t{c.d_q()} + 4 * int64_t{c.d_kv()} + c.n_expert;
  const int64_t a_slot = int64_t{c.d_ff} + c.d_model + 8;
  const int64_t blocks = block_words(c, options.max_row, int64_t{1} << 20);
  const int64_t an_output = int64_t{c.n_vocab} + c.d_model;
  return {
      .weight_bytes = weight_bytes_on_device(model),
      .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * kv_element_bytes(kv_type(options.precision)),
      .workspace_bytes = 4 * (options.max_row * a_row + n_slot * a_slot + options.max_sequence * an_output + blocks)};
}

// The largest of the allowed logits, after biases, which are added in place: all that the device's own sampler does.
bool is_greedy(const Output& output) {
  const backend::Sampling& s = output.sampling;
  return output.n_logprob == 0 &&
         (!output.sample || (s.temperature == 0 && s.repeat_penalty == 1 && s.presence_penalty == 0 &&
                             s.frequency_penalty == 0 && (output.bias.empty() || !output.logits)));
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
        input_(model_->config, stages_.attn_tile_queries()),
        last_token_(static_cast<size_t>(limits.max_sequence), -1) {}
  // What is in flight writes to what goes next.
  ~WgpuBackend() override { static_cast<void>(context_->flush()); }

  Status allocate();
  std::string_view name() const override { return "wgpu"; }
  std::string device() const override { return context_->name(); }
  const backend::Limits& limits() const override { return limits_; }
  Result<backend::Ticket> submit(const Batch& batch, backend::TraceSink* trace) override;
  Status wait(backend::Ticket ticket, backend::StepResult& out) override;

 private:
  // A step between submit() and wait().
  struct Pending {
    Pending(backend::Ticket its_ticket, const Batch& batch, backend::TraceSink* its_trace)
        : ticket(its_ticket), step(batch), trace(its_trace) {}
    backend::Ticket ticket;
    backend::Step step;
    backend::TraceSink* trace;
    bool is_greedy = true;
    bool is_recorded = false;
    Status recorded = {};            // what recording it said, where that was put off
    std::vector<int> logit_outputs;  // whose logits come back, in their order behind the tokens
    WGPUSubmissionIndex submission = 0;
    Readback* results = nullptr;
  };

  Status record(Pending& pending);
  Status copy_pages(const backend::Step& step, WGPUCommandEncoder encoder);
  Status copy_results(Pending& pending, WGPUCommandEncoder encoder);
  void submit_recorded(Pending& pending, WGPUCommandEncoder encoder);
  int64_t token_bytes(const Pending& pending) const { return (std::ssize(pending.step.outputs()) * 4 + 15) / 16 * 16; }
  int64_t logit_bytes() const { return int64_t{4} * model_->config.n_vocab; }
  void unpack(const Pending& pending, std::span<const std::byte> results, backend::StepResult& out);

  std::shared_ptr<const model::Model> model_;
  backend::Limits limits_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Weights> weights_;
  Stages stages_;
  InputWriter input_;
  Buffer page_;  // one page on its way: a copy within a buffer goes through another
  std::array<Readback, 2> results_;
  std::deque<Pending> pending_;
  std::vector<TokenId> last_token_;  // of each slot, as of the last wait(); -1 where none was sampled yet
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
  const auto n_token = static_cast<uint64_t>(token_bytes(pending));
  const uint64_t n_byte = n_token + static_cast<uint64_t>(logit_bytes() * std::ssize(pending.logit_outputs));
  Readback& to = results_[pending.ticket % results_.size()];
  if (to.buffer == nullptr || wgpuBufferGetSize(to.buffer.get()) < n_byte) {
    to.buffer.reset();
    ASSIGN_OR_RETURN(to.buffer, context_->make_buffer(n_byte + n_byte / 2,
                                                      WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst, "results"));
  }
  pending.results = &to;
  if (pending.is_greedy)
    wgpuCommandEncoderCopyBufferToBuffer(encoder, stages_.b.tokens.get(), 0, to.buffer.get(), 0,
                                         static_cast<uint64_t>(4 * std::ssize(pending.step.outputs())));
  uint64_t at = n_token;
  for (const int output : pending.logit_outputs) {
    wgpuCommandEncoderCopyBufferToBuffer(encoder, stages_.b.logits.get(), static_cast<uint64_t>(output * logit_bytes()),
                                         to.buffer.get(), at, static_cast<uint64_t>(logit_bytes()));
    at += static_cast<uint64_t>(logit_bytes());
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
  pending.is_recorded = true;
  stages_.timing().start();
  const backend::Step& step = pending.step;
  const int n_output = static_cast<int>(step.outputs().size());
  const std::vector<uint32_t>& words = input_.write(step, pending.is_greedy);
  RETURN_IF_ERROR(stages_.reserve(n_output, words.size()));
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
  stages_.begin(input_.shape(), pending.trace, pending.is_greedy);
  model::forward(stages_, *model_, {n_row, n_output, max_length});
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
  for (const Output& output : pending.step.outputs()) pending.is_greedy = pending.is_greedy && is_greedy(output);
  for (int i = 0; i < std::ssize(pending.step.outputs()); ++i)
    if (!pending.is_greedy || pending.step.outputs()[static_cast<size_t>(i)].logits) pending.logit_outputs.push_back(i);
  // The step before may yet have to choose the tokens that this one begins with.
  if (pending_.size() > 1 && !pending_.front().is_greedy) return next_ticket_++;
  if (const Status recorded = record(pending); !recorded) {
    pending_.pop_back();
    return tl::make_unexpected(recorded.error());
  }
  return next_ticket_++;
}

void WgpuBackend::unpack(const Pending& pending, std::span<const std::byte> results, backend::StepResult& out) {
  const backend::Step& step = pending.step;
  const auto n_vocab = static_cast<size_t>(model_->config.n_vocab);
  const auto slot_of = [&](const backend::Row& row) {
    return static_cast<size_t>(step.sequences()[static_cast<size_t>(row.sequence)].slot);
  };
  const std::vector<TokenId> before = last_token_;
  out.outputs.assign(step.outputs().size(), {});
  size_t next = 0;
  for (size_t i = 0; i < out.outputs.size(); ++i) {
    const Output& request = step.outputs()[i];
    backend::OutputResult& result = out.outputs[i];
    const backend::Row& row = step.rows()[static_cast<size_t>(request.row)];
    std::span<const float> logits;
    if (next < pending.logit_outputs.size() && pending.logit_outputs[next] == static_cast<int>(i)) {
      const size_t at = static_cast<size_t>(token_bytes(pending)) + next++ * n_vocab * sizeof(float);
      logits = {reinterpret_cast<const float*>(results.data() + at), n_vocab};
    }
    if (request.logits) result.logits.assign(logits.begin(), logits.end());
    if (pending.is_greedy) {
      if (request.sample) std::memcpy(&result.token, results.data() + 4 * i, 4);
    } else {
      sample_row(logits, request, row.token == backend::kLast ? before[slot_of(row)] : -1, result);
    }
    if (request.sample) last_token_[slot_of(row)] = result.token;
  }
}

Status WgpuBackend::wait(backend::Ticket ticket, backend::StepResult& out) {
  CHECK(!pending_.empty() && pending_.front().ticket == ticket && pending_.front().is_recorded);
  const Pending pending = std::move(pending_.front());
  pending_.pop_front();
  out.outputs.clear();
  Status done = pending.recorded;
  if (done) done = context_->wait(pending.submission);
  if (done && pending.results != nullptr) {
    const auto bytes = context_->reading(*pending.results);
    if (bytes) {
      unpack(pending, *bytes, out);
      context_->done_reading(*pending.results);
      if (!pending.is_greedy)
        context_->write(stages_.b.last_token.get(), 0, last_token_.data(), 4 * last_token_.size());
    } else {
      done = tl::make_unexpected(bytes.error());
    }
  }
  if (!pending_.empty() && !pending_.front().is_recorded) pending_.front().recorded = record(pending_.front());
  return done;
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
