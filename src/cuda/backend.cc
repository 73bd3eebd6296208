// The CUDA backend: what a step needs is packed on the host and copied at once, then its kernels run, the ones of steps
// that come again as a recorded graph. One stream, in order, so two steps can be in flight and share all buffers on the
// device but for the ends: each brings its own input, on a second stream while the step before it runs, and the sampler
// writes tokens where the host reads them. So from one step's last kernel to the next one's first nothing is copied.
#include "backend/backend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <list>
#include <map>
#include <vector>

#include "backend/check_batch.h"
#include "backend/marked_stages.h"
#include "base/check.h"
#include "cuda/context.h"
#include "cuda/cuda.h"
#include "cuda/kernels/limits.h"
#include "cuda/memory.h"
#include "cuda/sampler.h"
#include "cuda/stage_timer.h"
#include "cuda/weights.h"
#include "cuda/workspace.h"
#include "model/weights.h"

namespace tercet::cuda {
namespace {

using backend::Batch;
using backend::KvType;
using backend::Precision;

KvType kv_type(Precision precision) { return precision == Precision::kExact ? KvType::kF32 : KvType::kF16; }

backend::Footprint footprint(const model::Model& model, const backend::Options& options) {
  const model::Config& c = model.config;
  return {.weight_bytes = weight_bytes_on_device(model, options.precision),
          .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * kv_element_bytes(kv_type(options.precision)),
          .workspace_bytes = workspace_bytes(c, options.max_row, options.max_sequence)};
}

struct DestroyGraph {
  void operator()(cudaGraphExec_t graph) const { (void)cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<CUgraphExec_st, DestroyGraph>;

// All that a recorded step depends on.
struct GraphKey {
  StepPlan plan;
  SampleClass sample_class;
  int slot;  // whose input and results it has
  auto operator<=>(const GraphKey&) const = default;
};

// Where the parts of a step's input lie in its block, in bytes. A function of the graph's key alone.
struct InputLayout {
  int64_t token, position, slot, page_row, output_row, pieces, page_table, outputs;
};

InputLayout place_input(const StepPlan& plan) {
  InputLayout at = {};
  int64_t end = 0;
  const auto take = [&](int64_t& offset, int64_t n_byte) {
    offset = end;
    end = (end + n_byte + 15) / 16 * 16;
  };
  take(at.token, int64_t{4} * plan.n_row);
  take(at.position, int64_t{4} * plan.n_row);
  take(at.slot, int64_t{4} * plan.n_row);
  take(at.page_row, int64_t{4} * plan.n_row);
  take(at.output_row, int64_t{4} * plan.n_output);
  take(at.pieces, int64_t{sizeof(ChunkPiece)} * plan.n_piece);
  take(at.page_table, int64_t{4} * plan.n_sequence * plan.page_stride);
  at.outputs = end;
  return at;
}

constexpr size_t kMaxGraph = 192;  // recorded steps that are kept, of both slots

class CudaBackend final : public backend::Backend {
 public:
  CudaBackend(std::shared_ptr<const model::Model> model, const backend::Limits& limits, const backend::Options& options,
              std::unique_ptr<Weights> weights, const cudaDeviceProp& properties)
      : model_(std::move(model)),
        limits_(limits),
        device_(options.device),
        device_name_(properties.name),
        n_multiprocessor_(properties.multiProcessorCount),
        weights_(std::move(weights)),
        stages_(model_->config, *weights_, options.precision, n_multiprocessor_) {}

  ~CudaBackend() override {
    (void)cudaSetDevice(device_);
    (void)cudaStreamSynchronize(upload_.get());
    (void)cudaStreamSynchronize(stream_.get());
  }

  Status allocate();

  std::string_view name() const override { return "cuda"; }
  std::string device() const override { return device_name_; }
  const backend::Limits& limits() const override { return limits_; }
  Result<backend::Ticket> submit(const Batch& batch, backend::TraceSink* trace) override;
  Status wait(backend::Ticket ticket, backend::StepResult& out) override;
  Result<backend::StageTimes> time_step(const Batch& batch, backend::StepResult& out) override;

 private:
  // A step between submit() and wait(), with what is its own at both ends.
  struct Slot {
    PinnedBuffer<uint8_t> input;
    DeviceBuffer<uint8_t> device_input;
    Event uploaded;
    PinnedBuffer<SampleResult> results;  // the kernels write to it
    PinnedBuffer<uint8_t> output;        // log-probabilities, then logits
    Event done;
    OutputPack pack;
    backend::Ticket ticket = 0;
  };
  struct OutputLayout {
    int64_t logits, n_byte;  // log-probabilities begin at 0
  };

  StepPlan plan_of(const Batch& batch) const;
  Status reserve(const StepPlan& plan, int64_t input_bytes, int64_t output_bytes, Slot& slot);
  void write_input(const Batch& batch, const StepPlan& plan, const InputLayout& at, uint8_t* to) const;
  OutputLayout place_output(const OutputPack& pack) const;
  Status upload(Slot& slot, int64_t n_byte);
  void point_ends(const InputLayout& at, const Slot& slot);
  Status copy_pages(const Batch& batch);
  Status run(const GraphKey& key, backend::TraceSink* trace);
  Status launch_all(const GraphKey& key, backend::TraceSink* trace);
  Result<Graph> record(const GraphKey& key);
  Status fetch_output(Slot& slot);

  std::shared_ptr<const model::Model> model_;
  backend::Limits limits_;
  int device_;
  std::string device_name_;
  int n_multiprocessor_;
  std::unique_ptr<Weights> weights_;
  Stages stages_;
  Stream stream_, upload_;
  DeviceBuffer<uint8_t> workspace_, kv_, sample_workspace_;
  DeviceBuffer<float> logits_;
  DeviceBuffer<TopEntry> top_;
  int max_output_ = 0;
  SampleBuffers sample_ = {};

  std::array<Slot, 2> slots_;
  std::deque<Slot*> pending_;
  backend::Ticket next_ticket_ = 1;

  struct Recorded {
    Graph graph;  // null: seen once, not yet recorded
    int64_t used_at = 0;
  };
  std::map<GraphKey, Recorded> graphs_;

  StageTimer timer_;
  bool is_timed_ = false;  // the step that is being submitted
};

Status CudaBackend::allocate() {
  const model::Config& c = model_->config;
  ASSIGN_OR_RETURN(stream_, make_stream());
  ASSIGN_OR_RETURN(upload_, make_stream());
  const int64_t n_byte = place_workspace(c, limits_.max_row, limits_.max_sequence, nullptr).n_byte;
  ASSIGN_OR_RETURN(workspace_, DeviceBuffer<uint8_t>::allocate(n_byte, "the values of a step"));
  stages_.b = place_workspace(c, limits_.max_row, limits_.max_sequence, workspace_.data()).buffers;
  // Tickets are zero between steps, and what is never written should be no NaN.
  RETURN_IF_ERROR(check(cudaMemsetAsync(workspace_.data(), 0, static_cast<size_t>(n_byte), stream_.get()), "clearing"));
  std::vector<double> frequency;
  for (int i = 0; i < c.d_head / 2; ++i) frequency.push_back(std::pow(double{c.rope_base}, -2.0 * i / c.d_head));
  RETURN_IF_ERROR(check(cudaMemcpyAsync(stages_.b.frequency, frequency.data(), sizeof(double) * frequency.size(),
                                        cudaMemcpyHostToDevice, stream_.get()),
                        "copying constants"));
  const int64_t kv_bytes = limits_.kv.page_bytes() * limits_.kv.n_page;
  ASSIGN_OR_RETURN(kv_, DeviceBuffer<uint8_t>::allocate(kv_bytes, "the KV cache"));
  stages_.kv = {kv_.data(), limits_.kv.type, limits_.kv.n_page};
  // Attention reads whole spans of positions and throws away what is behind a sequence's end.
  RETURN_IF_ERROR(check(cudaMemsetAsync(kv_.data(), 0, static_cast<size_t>(kv_bytes), stream_.get()), "clearing"));
  StepPlan plan;
  plan.n_output = limits_.max_sequence;
  for (Slot& slot : slots_) {
    ASSIGN_OR_RETURN(slot.done, make_event());
    ASSIGN_OR_RETURN(slot.uploaded, make_event());
    RETURN_IF_ERROR(reserve(plan, int64_t{1} << 20, int64_t{1} << 16, slot));
  }
  return check(cudaStreamSynchronize(stream_.get()), "clearing");
}

// Makes room for a step that is larger than any before it. What was recorded holds the old addresses, so it goes.
Status CudaBackend::reserve(const StepPlan& plan, int64_t input_bytes, int64_t output_bytes, Slot& slot) {
  const model::Config& c = model_->config;
  const int64_t n = plan.n_output;
  if (n > max_output_ || n > slot.results.size() || input_bytes > slot.device_input.size()) {
    RETURN_IF_ERROR(check(cudaStreamSynchronize(stream_.get()), "a step"));
    graphs_.clear();
  }
  if (input_bytes > slot.device_input.size()) {
    slot.device_input = {};
    ASSIGN_OR_RETURN(slot.device_input, DeviceBuffer<uint8_t>::allocate(input_bytes * 3 / 2, "a step's input"));
    ASSIGN_OR_RETURN(slot.input, PinnedBuffer<uint8_t>::allocate(slot.device_input.size(), "a step's input"));
  }
  if (n > slot.results.size()) {
    ASSIGN_OR_RETURN(slot.results, PinnedBuffer<SampleResult>::allocate(n, "tokens"));
  }
  if (n > max_output_) {
    max_output_ = 0;
    logits_ = {};
    top_ = {};
    sample_workspace_ = {};
    ASSIGN_OR_RETURN(logits_, DeviceBuffer<float>::allocate(n * c.n_vocab, fmt::format("the logits of {} rows", n)));
    ASSIGN_OR_RETURN(top_, DeviceBuffer<TopEntry>::allocate(n * kMaxTop, "log-probabilities"));
    ASSIGN_OR_RETURN(sample_workspace_,
                     DeviceBuffer<uint8_t>::allocate(
                         static_cast<int64_t>(sample_workspace_bytes(plan.n_output, c.n_vocab)), "sampling"));
    max_output_ = plan.n_output;
    stages_.b.logits = logits_.data();
  }
  if (output_bytes > slot.output.size()) {
    ASSIGN_OR_RETURN(slot.output, PinnedBuffer<uint8_t>::allocate(output_bytes * 3 / 2, "a step's results"));
  }
  return {};
}

// Decoding rows come first, one a sequence; a chunk is cut into pieces for the attention kernel.
StepPlan CudaBackend::plan_of(const Batch& batch) const {
  const model::Config& c = model_->config;
  StepPlan plan;
  plan.n_row = static_cast<int>(batch.rows.size());
  plan.n_output = static_cast<int>(batch.outputs.size());
  plan.n_sequence = static_cast<int>(batch.sequences.size());
  const auto sequence_of = [&](int r) { return batch.rows[static_cast<size_t>(r)].sequence; };
  while (plan.n_decode < plan.n_row &&
         (plan.n_decode + 1 == plan.n_row || sequence_of(plan.n_decode) != sequence_of(plan.n_decode + 1)))
    ++plan.n_decode;
  const int piece_rows = std::max(1, kChunkRows / (c.n_head / c.n_head_kv));
  for (int r = plan.n_decode; r < plan.n_row;) {
    int end = r;
    while (end < plan.n_row && sequence_of(end) == sequence_of(r)) ++end;
    plan.n_piece += (end - r + piece_rows - 1) / piece_rows;
    r = end;
  }
  int most_page = 1;
  for (const backend::Sequence& s : batch.sequences)
    most_page = std::max(most_page, (s.length + kPageSize - 1) / kPageSize);
  // Powers of two, so that a growing sequence meets few new shapes.
  plan.page_stride = 4;
  while (plan.page_stride < most_page) plan.page_stride *= 2;
  plan.n_split = choose_split(plan.n_decode * c.n_head_kv, plan.page_stride, n_multiprocessor_);
  return plan;
}

void CudaBackend::write_input(const Batch& batch, const StepPlan& plan, const InputLayout& at, uint8_t* to) const {
  auto* token = reinterpret_cast<int32_t*>(to + at.token);
  auto* position = reinterpret_cast<int32_t*>(to + at.position);
  auto* slot = reinterpret_cast<int32_t*>(to + at.slot);
  auto* page_row = reinterpret_cast<int32_t*>(to + at.page_row);
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const backend::Row& row = batch.rows[r];
    token[r] = row.token;
    position[r] = row.position;
    slot[r] = batch.sequences[static_cast<size_t>(row.sequence)].slot;
    page_row[r] = row.sequence;
  }
  auto* output_row = reinterpret_cast<int32_t*>(to + at.output_row);
  for (size_t i = 0; i < batch.outputs.size(); ++i) output_row[i] = batch.outputs[i].row;
  auto* piece = reinterpret_cast<ChunkPiece*>(to + at.pieces);
  const int piece_rows = std::max(1, kChunkRows / (model_->config.n_head / model_->config.n_head_kv));
  for (int r = plan.n_decode; r < plan.n_row;) {
    const int sequence = batch.rows[static_cast<size_t>(r)].sequence;
    int n = 0;
    while (n < piece_rows && r + n < plan.n_row && batch.rows[static_cast<size_t>(r + n)].sequence == sequence) ++n;
    *piece++ = {r, n, sequence};
    r += n;
  }
  auto* page_table = reinterpret_cast<int32_t*>(to + at.page_table);
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const auto& pages = batch.sequences[s].pages;
    const size_t n = std::min(pages.size(), static_cast<size_t>(plan.page_stride));
    std::copy_n(pages.begin(), n, page_table + s * static_cast<size_t>(plan.page_stride));
  }
}

// Beside the step before it, whose own input this is not.
Status CudaBackend::upload(Slot& slot, int64_t n_byte) {
  RETURN_IF_ERROR(check(cudaMemcpyAsync(slot.device_input.data(), slot.input.data(), static_cast<size_t>(n_byte),
                                        cudaMemcpyHostToDevice, upload_.get()),
                        "copying a step's input"));
  RETURN_IF_ERROR(check(cudaEventRecord(slot.uploaded.get(), upload_.get()), "copying a step's input"));
  return check(cudaStreamWaitEvent(stream_.get(), slot.uploaded.get()), "copying a step's input");
}

void CudaBackend::point_ends(const InputLayout& at, const Slot& slot) {
  uint8_t* base = slot.device_input.data();
  StepInput& in = stages_.in;
  in.token = reinterpret_cast<int32_t*>(base + at.token);
  in.position = reinterpret_cast<int32_t*>(base + at.position);
  in.slot = reinterpret_cast<int32_t*>(base + at.slot);
  in.page_row = reinterpret_cast<int32_t*>(base + at.page_row);
  in.output_row = reinterpret_cast<int32_t*>(base + at.output_row);
  in.pieces = reinterpret_cast<ChunkPiece*>(base + at.pieces);
  in.page_table = reinterpret_cast<int32_t*>(base + at.page_table);
  sample_ = {stages_.b.logits,     reinterpret_cast<const std::byte*>(base + at.outputs),
             stages_.b.last_token, slot.results.data(),
             top_.data(),          reinterpret_cast<std::byte*>(sample_workspace_.data())};
}

Status CudaBackend::copy_pages(const Batch& batch) {
  const int64_t layer_bytes = limits_.kv.page_bytes() / limits_.kv.n_layer;
  const auto pitch = static_cast<size_t>(layer_bytes * limits_.kv.n_page);
  for (const backend::PageCopy& copy : batch.page_copies)
    RETURN_IF_ERROR(
        check(cudaMemcpy2DAsync(kv_.data() + copy.to * layer_bytes, pitch, kv_.data() + copy.from * layer_bytes, pitch,
                                static_cast<size_t>(layer_bytes), static_cast<size_t>(limits_.kv.n_layer),
                                cudaMemcpyDeviceToDevice, stream_.get()),
              "copying pages"));
  return {};
}

Status CudaBackend::launch_all(const GraphKey& key, backend::TraceSink* trace) {
  const StepPlan& plan = key.plan;
  stages_.begin(plan, stream_.get(), trace);
  const model::Shape shape{plan.n_row, plan.n_output, plan.page_stride * kPageSize};
  if (is_timed_) {
    timer_.begin(stream_.get());
    backend::MarkedStages timed(stages_, [&](backend::Stage stage) {
      timer_.mark(stream_.get(), stage);
      stages_.break_chain();
    });
    model::forward(timed, *model_, shape);
  } else {
    model::forward(stages_, *model_, shape);
  }
  RETURN_IF_ERROR(check(stages_.status(), stages_.failed_kernel()));
  if (plan.n_output == 0) return {};
  return check(sample(stream_.get(), key.sample_class, plan.n_output, model_->config.n_vocab, sample_), "sampling");
}

Result<Graph> CudaBackend::record(const GraphKey& key) {
  RETURN_IF_ERROR(check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "recording a step"));
  const Status launched = launch_all(key, nullptr);
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream_.get(), &graph);
  cudaGraphExec_t exec = nullptr;
  cudaError_t made = ended;
  if (launched && ended == cudaSuccess) made = cudaGraphInstantiate(&exec, graph, 0);
  if (graph != nullptr) (void)cudaGraphDestroy(graph);
  RETURN_IF_ERROR(launched);
  RETURN_IF_ERROR(check(made, "recording a step"));
  return Graph(exec);
}

// A step of a shape that was seen before is recorded; chunks of prompts seldom come twice, and a trace or a clock looks in
// between.
Status CudaBackend::run(const GraphKey& key, backend::TraceSink* trace) {
  if (trace != nullptr || is_timed_ || key.plan.n_piece > 0) return launch_all(key, trace);
  const auto [found, is_new] = graphs_.try_emplace(key);
  found->second.used_at = static_cast<int64_t>(next_ticket_);
  if (is_new) {
    if (graphs_.size() > kMaxGraph)
      graphs_.erase(std::min_element(graphs_.begin(), graphs_.end(),
                                     [](const auto& a, const auto& b) { return a.second.used_at < b.second.used_at; }));
    return launch_all(key, nullptr);
  }
  if (found->second.graph == nullptr) {
    ASSIGN_OR_RETURN(found->second.graph, record(key));
  }
  return check(cudaGraphLaunch(found->second.graph.get(), stream_.get()), "a step");
}

CudaBackend::OutputLayout CudaBackend::place_output(const OutputPack& pack) const {
  OutputLayout at = {};
  at.logits = (int64_t{sizeof(TopEntry)} * pack.max_logprob() * pack.n_output() + 15) / 16 * 16;
  at.n_byte = at.logits + int64_t{4} * model_->config.n_vocab * std::ssize(pack.logit_outputs());
  return at;
}

// What few steps ask for beside their tokens.
Status CudaBackend::fetch_output(Slot& slot) {
  const OutputPack& pack = slot.pack;
  const OutputLayout at = place_output(pack);
  const auto n = static_cast<size_t>(pack.n_output());
  if (n == 0) return {};
  uint8_t* to = slot.output.data();
  const size_t top_bytes = sizeof(TopEntry) * static_cast<size_t>(pack.max_logprob());
  if (top_bytes > 0)
    RETURN_IF_ERROR(check(cudaMemcpy2DAsync(to, top_bytes, top_.data(), sizeof(TopEntry) * kMaxTop, top_bytes, n,
                                            cudaMemcpyDeviceToHost, stream_.get()),
                          "copying log-probabilities"));
  const size_t row_bytes = sizeof(float) * static_cast<size_t>(model_->config.n_vocab);
  uint8_t* row = to + at.logits;
  for (const int output : pack.logit_outputs()) {
    RETURN_IF_ERROR(check(cudaMemcpyAsync(row, logits_.data() + int64_t{output} * model_->config.n_vocab, row_bytes,
                                          cudaMemcpyDeviceToHost, stream_.get()),
                          "copying logits"));
    row += row_bytes;
  }
  return {};
}

Result<backend::Ticket> CudaBackend::submit(const Batch& batch, backend::TraceSink* trace) {
  check_batch(batch, limits_, model_->config.n_vocab);
  CHECK(pending_.size() < slots_.size());
  RETURN_IF_ERROR(check(cudaSetDevice(device_), "choosing the device"));
  const size_t index = next_ticket_ % slots_.size();
  Slot& slot = slots_[index];
  slot.pack = OutputPack(batch, model_->config.n_vocab);
  const GraphKey key = {plan_of(batch), slot.pack.sample_class(), static_cast<int>(index)};
  const InputLayout at = place_input(key.plan);
  const int64_t input_bytes = at.outputs + static_cast<int64_t>(slot.pack.bytes());
  RETURN_IF_ERROR(reserve(key.plan, input_bytes, place_output(slot.pack).n_byte, slot));

  write_input(batch, key.plan, at, slot.input.data());
  slot.pack.write(batch, reinterpret_cast<std::byte*>(slot.input.data() + at.outputs));
  RETURN_IF_ERROR(copy_pages(batch));
  RETURN_IF_ERROR(upload(slot, input_bytes));
  point_ends(at, slot);
  RETURN_IF_ERROR(run(key, trace));
  RETURN_IF_ERROR(fetch_output(slot));
  RETURN_IF_ERROR(check(cudaEventRecord(slot.done.get(), stream_.get()), "a step"));
  slot.ticket = next_ticket_++;
  pending_.push_back(&slot);
  return slot.ticket;
}

Status CudaBackend::wait(backend::Ticket ticket, backend::StepResult& out) {
  CHECK(!pending_.empty() && pending_.front()->ticket == ticket);
  Slot& slot = *pending_.front();
  pending_.pop_front();
  RETURN_IF_ERROR(check(cudaSetDevice(device_), "choosing the device"));
  RETURN_IF_ERROR(check(cudaEventSynchronize(slot.done.get()), "a step"));
  const OutputLayout at = place_output(slot.pack);
  const uint8_t* from = slot.output.data();
  slot.pack.unpack(slot.results.data(), reinterpret_cast<const TopEntry*>(from), slot.pack.max_logprob(),
                   reinterpret_cast<const float*>(from + at.logits), out);
  return {};
}

Result<backend::StageTimes> CudaBackend::time_step(const Batch& batch, backend::StepResult& out) {
  CHECK(pending_.empty());
  RETURN_IF_ERROR(check(cudaSetDevice(device_), "choosing the device"));
  RETURN_IF_ERROR(timer_.prepare(backend::kNumStage * (model_->layers.size() + 1)));
  is_timed_ = true;
  const auto ticket = submit(batch, nullptr);
  is_timed_ = false;
  timer_.release();
  if (!ticket) return tl::make_unexpected(ticket.error());
  RETURN_IF_ERROR(wait(*ticket, out));
  return timer_.read();
}

// What the kernels were built for; anything else is refused by name before it is loaded.
Status check_shapes(const model::Config& c) {
  if (!is_head_size(c.d_head))
    return error(Code::kUnsupported, "cuda: {}: a head size of {}, want 64, 128 or 256", c.name, c.d_head);
  if (c.n_expert > kMaxExperts)
    return error(Code::kUnsupported, "cuda: {}: {} experts, want at most {}", c.name, c.n_expert, kMaxExperts);
  if (c.n_expert_used > kMaxChoice)
    return error(Code::kUnsupported, "cuda: {}: {} experts a token, want at most {}", c.name, c.n_expert_used,
                 kMaxChoice);
  return {};
}

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model> model,
                                               const backend::Options& options) {
  const model::Config& c = model->config;
  RETURN_IF_ERROR(check_device(options.device));
  RETURN_IF_ERROR(check_shapes(c));
  RETURN_IF_ERROR(check(cudaSetDevice(options.device), "choosing the device"));
  cudaDeviceProp properties = {};
  RETURN_IF_ERROR(check(cudaGetDeviceProperties(&properties, options.device), "properties of the device"));
  ASSIGN_OR_RETURN(auto weights,
                   load_weights(*model, options.precision, options.device, options.n_thread, options.progress));
  backend::Limits limits{options.max_row, options.max_sequence, {}};
  limits.kv = {kv_type(options.precision), kPageSize, options.n_page, c.n_layer, c.n_head_kv, c.d_head};
  auto out = std::make_unique<CudaBackend>(std::move(model), limits, options, std::move(weights), properties);
  RETURN_IF_ERROR(out->allocate());
  return out;
}

}  // namespace

const backend::Factory kFactory = {"cuda", 2048, footprint, make};

}  // namespace tercet::cuda
