#include "faults/faults_suite.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "quant/q4_k.h"
#include "quant/q6_k.h"

namespace tercet::tests {
namespace {

using backend::Tap;
using backend::TapView;
using model::LayerSpec;
using model::Model;
using model::QTensor;
using Outputs = std::vector<backend::OutputResult>;

// Bytes of a tensor that is to be damaged; they live as long as the program.
std::byte* own_copy(QTensor& tensor) {
  static std::vector<std::unique_ptr<std::byte[]>> all;
  const auto n = static_cast<size_t>(tensor.mat_bytes() * tensor.n_mat);
  auto& bytes = all.emplace_back(std::make_unique<std::byte[]>(n));
  std::memcpy(bytes.get(), tensor.data, n);
  tensor.data = bytes.get();
  return bytes.get();
}

template <typename Block>
void each_block(QTensor& tensor, const std::function<void(Block&, int64_t)>& change) {
  std::byte* bytes = own_copy(tensor);
  const int64_t n = tensor.mat_bytes() * tensor.n_mat / static_cast<int64_t>(sizeof(Block));
  for (int64_t b = 0; b < n; ++b) {
    Block block;
    std::memcpy(&block, bytes + b * static_cast<int64_t>(sizeof(Block)), sizeof(Block));
    change(block, b);
    std::memcpy(bytes + b * static_cast<int64_t>(sizeof(Block)), &block, sizeof(Block));
  }
}

void swap_bytes(QTensor& tensor, int64_t a, int64_t b, int64_t n) {
  std::byte* bytes = own_copy(tensor);
  std::swap_ranges(bytes + a, bytes + a + n, bytes + b);
}

void ones(std::vector<float>& norm) { std::ranges::fill(norm, 1.0F); }
LayerSpec& second(Model& m) { return m.layers[1]; }

std::vector<Fault> of_the_model() {
  return {
      {.name = "RoPE's base is off by 10 %",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { m.config.rope_base *= 1.1F; }},
      {.name = "eps is 1e-5 for 1e-6", .caught_by = "QUIET-001", .model = [](Model& m) { m.config.rms_eps = 1e-5F; }},
      {.name = "one expert fewer is chosen",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { --m.config.n_expert_used; }},
      {.name = "the norm of the queries is skipped in a layer",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { ones(second(m).attn_q_norm); }},
      {.name = "keys are normed as queries are",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { second(m).attn_k_norm = second(m).attn_q_norm; }},
      {.name = "the norm before attention is skipped in a layer",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { ones(second(m).attn_norm); }},
      {.name = "the norm before the router is skipped in a layer",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { ones(second(m).ffn_norm); }},
      {.name = "the last norm is skipped",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { ones(m.output_norm); }},
      {.name = "one Q6_K scale has another sign",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             each_block<quant::BlockQ6K>(second(m).wv, [](auto& block, int64_t b) {
               if (b == 1) block.scales[3] = static_cast<int8_t>(-block.scales[3]);
             });
           }},
      {.name = "the minima of Q4_K are dropped in a matrix",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) { each_block<quant::BlockQ4K>(second(m).wq, [](auto& block, int64_t) { block.dmin = 0; }); }},
      {.name = "the last block of a row is dropped",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             const int64_t per_row = second(m).wo.cols / 256;
             each_block<quant::BlockQ4K>(second(m).wo, [per_row](auto& block, int64_t b) {
               if (b % per_row == per_row - 1) block.d = block.dmin = 0;
             });
           }},
      {.name = "gate and up are exchanged",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { std::swap(second(m).gate_exps, second(m).up_exps); }},
      {.name = "two experts' down are exchanged",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             QTensor& down = second(m).down_exps;
             swap_bytes(down, 0, down.mat_bytes(), down.mat_bytes());
           }},
      {.name = "a matrix of another layer is read",
       .caught_by = "PER-LAYER-001",
       .model = [](Model& m) { second(m).wo = m.layers[0].wo; }},
      {.name = "two heads of keys are exchanged",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             QTensor& wk = second(m).wk;
             swap_bytes(wk, 0, wk.mat_bytes() / 2, wk.mat_bytes() / 2);
           }},
      {.name = "an entry of the vocabulary is not computed",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             std::memset(own_copy(m.output) + 5 * m.output.row_bytes(), 0, static_cast<size_t>(m.output.row_bytes()));
           }},
      {.name = "a token has its neighbour's embedding",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             const int64_t n = m.token_embd.row_bytes();
             std::byte* bytes = own_copy(m.token_embd);
             std::memmove(bytes + n, bytes, static_cast<size_t>(m.token_embd.mat_bytes() - 2 * n));
           }},
      {.name = "the logits are 2 % too large",
       .caught_by = "PER-LAYER-001",
       .model =
           [](Model& m) {
             for (float& w : m.output_norm) w *= 1.02F;
           }},
  };
}

std::vector<Fault> of_the_step() {
  return {
      {.name = "a step behind the first page reads another page",
       .caught_by = "PER-LAYER-001",
       .step =
           [](OpenStep& s) {
             if (s.rows.front().position >= 64) s.pages[0][0] = s.pages[0][1];
           }},
      {.name = "pages are not copied", .caught_by = "KV-001", .step = [](OpenStep& s) { s.copies.clear(); }},
      {.name = "pages are copied the other way",
       .caught_by = "KV-001",
       .step =
           [](OpenStep& s) {
             for (auto& c : s.copies) std::swap(c.from, c.to);
           }},
      {.name = "a row in flight takes token 0",
       .caught_by = "KV-001",
       .step =
           [](OpenStep& s) {
             for (auto& r : s.rows)
               if (r.token == backend::kLast) r.token = 0;
           }},
      {.name = "a later token is seen by the first",
       .caught_by = "INVARIANTS-001",
       .step = [](OpenStep& s) { s.rows.front().token = s.rows.back().token; }},
      {.name = "another sequence's token is read",
       .caught_by = "INVARIANTS-001",
       .step =
           [](OpenStep& s) {
             for (auto& r : s.rows)
               if (r.sequence > 0) r.token = s.rows[0].token;
           }},
      {.name = "a chunk's first token is lost",
       .caught_by = "INVARIANTS-001",
       .step =
           [](OpenStep& s) {
             if (s.rows.front().position > 0 && s.rows.size() > 1) s.rows.front().token = s.rows[1].token;
           }},
  };
}

void touch(float& x) { x = std::nextafter(x, std::numeric_limits<float>::infinity()); }

std::vector<Fault> of_the_answer() {
  return {
      {.name = "a tap is a layer's before",
       .caught_by = "PER-LAYER-001",
       .tap =
           [](const TapView& v) {
             static std::map<int, std::vector<float>> before;
             if (v.tap != Tap::kLOut) return;
             before[v.layer].assign(v.f32.begin(), v.f32.end());
             if (v.layer > 0 && before[v.layer - 1].size() == v.f32.size())
               std::ranges::copy(before[v.layer - 1], v.f32.begin());
           }},
      {.name = "of a tie the higher id comes first",
       .caught_by = "ROUTING-001",
       .tap =
           [](const TapView& v) {
             if (v.tap == Tap::kFfnMoeTopk)
               for (auto at = v.ids.begin(); at != v.ids.end(); at += v.width) std::reverse(at, at + v.width);
           }},
      {.name = "weights are not renormalised",
       .caught_by = "ROUTING-001",
       .tap =
           [](const TapView& v) {
             if (v.tap == Tap::kFfnMoeWeightsNorm)
               for (float& w : v.f32) w *= 0.9F;
           }},
      {.name = "an expert is named that is none",
       .caught_by = "PER-LAYER-001",
       .tap =
           [](const TapView& v) {
             if (v.tap == Tap::kFfnMoeTopk) v.ids[0] = 1'000'000;
           }},
      {.name = "the residual is doubled in a tap",
       .caught_by = "PER-LAYER-001",
       .tap =
           [](const TapView& v) {
             if (v.tap == Tap::kFfnInp && v.layer == 1)
               for (float& x : v.f32) x *= 2;
           }},
      {.name = "a logit is no number",
       .caught_by = "PARITY-001",
       .result = [](Outputs& o, const Moment&) { o.back().logits[3] = std::nanf(""); }},
      {.name = "logits have another sign",
       .caught_by = "PARITY-001",
       .result =
           [](Outputs& o, const Moment&) {
             for (auto& r : o)
               for (float& x : r.logits) x = -x;
           }},
      {.name = "a row has the logits of the row before",
       .caught_by = "PARITY-001",
       .result =
           [](Outputs& o, const Moment&) {
             if (o.size() > 1) o.back().logits = o[o.size() - 2].logits;
           }},
      {.name = "logits are halved",
       .caught_by = "FREE-RUN-001",
       .result =
           [](Outputs& o, const Moment&) {
             for (auto& r : o)
               for (float& x : r.logits) x *= 0.5F;
           }},
      {.name = "a sum races",
       .caught_by = "DETERMINISM-001",
       .result =
           [](Outputs& o, const Moment& m) {
             if (m.n_step % 2 == 1) touch(o[0].logits[0]);
           }},
      {.name = "a trace changes a bit",
       .caught_by = "DETERMINISM-001",
       .result =
           [](Outputs& o, const Moment& m) {
             if (m.is_traced) touch(o[0].logits[0]);
           }},
      {.name = "the number of threads changes a bit",
       .caught_by = "DETERMINISM-001",
       .result =
           [](Outputs& o, const Moment& m) {
             if (m.n_thread == 3) touch(o[0].logits[0]);
           }},
      {.name = "the order of a batch changes its answers",
       .caught_by = "INVARIANTS-001",
       .result =
           [](Outputs& o, const Moment&) {
             if (o.size() > 75) std::swap(o.front().logits, o.back().logits);
           }},
      {.name = "another backend answers", .caught_by = "FALLBACK-001", .called = "other"},
      {.name = "exact runs as high",
       .caught_by = "FALLBACK-001",
       .options = [](backend::Options& o) { o.precision = backend::Precision::kHigh; }},
      {.name = "the plan counts half of the cache", .caught_by = "MEMORY-001", .understates_cache = true},
  };
}

const backend::Factory* inner_factory = nullptr;
const Fault* seeded = nullptr;

class FaultySink final : public backend::TraceSink {
 public:
  explicit FaultySink(backend::TraceSink* sink) : sink_(sink) {}
  bool wants(Tap tap) const override { return sink_->wants(tap); }
  void write(const TapView& view) override {
    if (seeded->tap) seeded->tap(view);
    sink_->write(view);
  }

 private:
  backend::TraceSink* sink_;
};

class FaultyBackend final : public backend::Backend {
 public:
  FaultyBackend(std::unique_ptr<Backend> inner, int n_thread) : inner_(std::move(inner)), n_thread_(n_thread) {}
  std::string_view name() const override { return seeded->called.empty() ? inner_->name() : seeded->called; }
  std::string device() const override { return inner_->device(); }
  const backend::Limits& limits() const override { return inner_->limits(); }

  Result<backend::Ticket> submit(const backend::Batch& batch, backend::TraceSink* trace) override {
    OpenStep open{{batch.rows.begin(), batch.rows.end()}, {batch.page_copies.begin(), batch.page_copies.end()}, {}};
    for (const backend::Sequence& s : batch.sequences) open.pages.emplace_back(s.pages.begin(), s.pages.end());
    if (seeded->step) seeded->step(open);
    std::vector<backend::Sequence> sequences(batch.sequences.begin(), batch.sequences.end());
    for (size_t i = 0; i < sequences.size(); ++i) sequences[i].pages = open.pages[i];
    std::unique_ptr<FaultySink> sink;
    if (trace != nullptr) sink = std::make_unique<FaultySink>(trace);
    auto ticket = inner_->submit({open.rows, sequences, open.copies, batch.outputs}, sink.get());
    if (ticket) sinks_[*ticket] = std::move(sink);
    return ticket;
  }

  Status wait(backend::Ticket ticket, backend::StepResult& out) override {
    RETURN_IF_ERROR(inner_->wait(ticket, out));
    const bool has_logits = !out.outputs.empty() && !out.outputs[0].logits.empty();
    if (seeded->result && has_logits) seeded->result(out.outputs, {n_step_, n_thread_, sinks_[ticket] != nullptr});
    sinks_.erase(ticket);
    ++n_step_;
    return {};
  }

 private:
  std::unique_ptr<Backend> inner_;
  std::map<backend::Ticket, std::unique_ptr<FaultySink>> sinks_;
  int n_thread_;
  int n_step_ = 0;
};

}  // namespace

const std::vector<Fault>& faults() {
  static const auto all = [] {
    std::vector<Fault> out = of_the_model();
    for (auto& fault : of_the_step()) out.push_back(std::move(fault));
    for (auto& fault : of_the_answer()) out.push_back(std::move(fault));
    return out;
  }();
  return all;
}

size_t place(const Fault& fault) {
  const bool there[] = {fault.model != nullptr, fault.options != nullptr, fault.step != nullptr,
                        fault.tap != nullptr,   fault.result != nullptr,  !fault.called.empty()};
  return static_cast<size_t>(std::ranges::find(there, true) - there);
}

const backend::Factory& faulty(const backend::Factory& inner, const Fault& fault) {
  static backend::Factory factory;
  inner_factory = &inner;
  seeded = &fault;
  factory = inner;
  factory.footprint = [](const Model& model, const backend::Options& options) {
    backend::Footprint out = inner_factory->footprint(model, options);
    if (seeded->understates_cache) out.kv_bytes_per_token /= 2;
    return out;
  };
  factory.make = [](std::shared_ptr<const Model> model,
                    const backend::Options& options) -> Result<std::unique_ptr<backend::Backend>> {
    backend::Options changed = options;
    if (seeded->options) seeded->options(changed);
    auto damaged = std::make_shared<Model>(*model);
    if (seeded->model) seeded->model(*damaged);
    ASSIGN_OR_RETURN(auto backend, inner_factory->make(std::move(damaged), changed));
    return std::make_unique<FaultyBackend>(std::move(backend), options.n_thread);
  };
  return factory;
}

}  // namespace tercet::tests
