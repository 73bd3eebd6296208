#include "cli/bench_run.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/clock.h"

namespace tercet::cli {
namespace {

// Counts the experts that a step's rows chose, layer by layer.
class ExpertCounter final : public backend::TraceSink {
 public:
  bool wants(backend::Tap tap) const override { return tap == backend::Tap::kFfnMoeTopk; }
  void write(const backend::TapView& view) override {
    n_distinct_ += static_cast<double>(std::set<int32_t>(view.ids.begin(), view.ids.end()).size());
    ++n_layer_;
  }
  double mean() const { return n_layer_ == 0 ? 0 : n_distinct_ / n_layer_; }

 private:
  double n_distinct_ = 0;
  int n_layer_ = 0;
};

double decode_bytes(const backend::Backend& backend, const model::Model& model, const BenchCase& bench,
                    double distinct_experts) {
  const auto& c = model.config;
  double expert_bytes = 0;
  for (const auto& layer : model.layers)
    expert_bytes +=
        static_cast<double>(layer.gate_exps.mat_bytes() + layer.up_exps.mat_bytes() + layer.down_exps.mat_bytes());
  const backend::KvLayout& kv = backend.limits().kv;
  const double kv_bytes = static_cast<double>(kv.page_bytes()) / kv.page_size * (bench.n_depth + bench.n_decode / 2.0);
  return static_cast<double>(model.active_bytes_per_token()) + expert_bytes * (distinct_experts - c.n_expert_used) +
         bench.n_sequence * kv_bytes;
}

}  // namespace

double BenchFigures::median_tok_s() const {
  CHECK(!tok_s.empty());
  std::vector<double> sorted = tok_s;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double BenchFigures::spread() const {
  const auto [least, most] = std::minmax_element(tok_s.begin(), tok_s.end());
  return (*most - *least) / median_tok_s();
}

BenchRunner::BenchRunner(backend::Backend& backend, const model::Model& model, uint64_t seed)
    : backend_(backend), model_(model), random_(seed) {}

// SplitMix64 (Steele et al., 2014): prompts that differ, and are the same in every run.
backend::TokenId BenchRunner::random_token() {
  uint64_t z = random_ += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return static_cast<backend::TokenId>((z ^ (z >> 31)) % static_cast<uint64_t>(model_.config.n_vocab));
}

Status BenchRunner::make_sequences(const BenchCase& bench) {
  const backend::KvLayout& kv = backend_.limits().kv;
  const int n_page = (bench.n_context() + 1 + kv.page_size - 1) / kv.page_size;
  CHECK(n_page * bench.n_sequence <= kv.n_page && bench.n_sequence <= backend_.limits().max_sequence);
  sequences_.assign(static_cast<size_t>(bench.n_sequence), {});
  backend::PageId next = 0;
  for (Sequence& sequence : sequences_)
    for (int i = 0; i < n_page; ++i) sequence.pages.push_back(next++);
  for (size_t slot = 0; slot < sequences_.size(); ++slot)
    RETURN_IF_ERROR(prefill(sequences_[slot], static_cast<int>(slot), bench.n_depth));
  return {};
}

Status BenchRunner::prefill(Sequence& sequence, int slot, int n_token) {
  for (int done = 0; done < n_token;) {
    const int n = std::min(n_token - done, backend_.limits().max_row);
    std::vector<backend::Row> rows;
    for (int i = 0; i < n; ++i) rows.push_back({random_token(), sequence.length + i, 0});
    sequence.length += n;
    done += n;
    backend::Output output;
    output.row = n - 1;
    const backend::Sequence view{slot, sequence.length, sequence.pages};
    const auto outputs = std::span(&output, done == n_token ? 1 : 0);
    ASSIGN_OR_RETURN(const backend::Ticket ticket, backend_.submit({rows, {&view, 1}, {}, outputs}, nullptr));
    backend::StepResult result;
    RETURN_IF_ERROR(backend_.wait(ticket, result));
  }
  return {};
}

Status BenchRunner::prefill_all(const BenchCase& bench) {
  for (size_t slot = 0; slot < sequences_.size(); ++slot)
    RETURN_IF_ERROR(prefill(sequences_[slot], static_cast<int>(slot), bench.n_prompt));
  return {};
}

Result<backend::Ticket> BenchRunner::submit_decode(bool first, backend::TraceSink* trace) {
  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> views;
  std::vector<backend::Output> outputs;
  for (size_t slot = 0; slot < sequences_.size(); ++slot) {
    Sequence& sequence = sequences_[slot];
    rows.push_back({first ? random_token() : backend::kLast, sequence.length, static_cast<int>(slot)});
    ++sequence.length;
    views.push_back({static_cast<int>(slot), sequence.length, sequence.pages});
    outputs.emplace_back().row = static_cast<int>(slot);
  }
  return backend_.submit({rows, views, {}, outputs}, trace);
}

// Two steps in flight, as the engine keeps them.
Status BenchRunner::decode_all(int n_step, backend::TraceSink* trace) {
  backend::StepResult result;
  ASSIGN_OR_RETURN(backend::Ticket oldest, submit_decode(true, trace));
  for (int i = 1; i < n_step; ++i) {
    ASSIGN_OR_RETURN(const backend::Ticket next, submit_decode(false, trace));
    RETURN_IF_ERROR(backend_.wait(oldest, result));
    oldest = next;
  }
  return backend_.wait(oldest, result);
}

void BenchRunner::rewind(int n_depth) {
  for (Sequence& sequence : sequences_) sequence.length = n_depth;
}

Result<BenchFigures> BenchRunner::run(const BenchCase& bench, int n_repeat) {
  RETURN_IF_ERROR(make_sequences(bench));
  BenchFigures figures;
  const bool is_decode = bench.n_decode > 0;
  const int n_token = bench.n_sequence * (is_decode ? bench.n_decode : bench.n_prompt);
  ExpertCounter experts;
  if (is_decode) {
    // The warm-up also counts experts, which costs time that no counted repetition should pay.
    RETURN_IF_ERROR(decode_all(std::min(bench.n_decode, 16), &experts));
    figures.distinct_experts = experts.mean();
    figures.bytes_a_step = decode_bytes(backend_, model_, bench, figures.distinct_experts);
    // Steps without a trace are others: graphs to record, pipelines to build.
    rewind(bench.n_depth);
    RETURN_IF_ERROR(decode_all(std::min(bench.n_decode, 16), nullptr));
  } else {
    RETURN_IF_ERROR(prefill_all(bench));
  }
  for (int i = 0; i < n_repeat; ++i) {
    rewind(bench.n_depth);
    const Stopwatch watch;
    RETURN_IF_ERROR(is_decode ? decode_all(bench.n_decode, nullptr) : prefill_all(bench));
    figures.tok_s.push_back(n_token / (watch.elapsed_ms() / 1000));
  }
  return figures;
}

}  // namespace tercet::cli
