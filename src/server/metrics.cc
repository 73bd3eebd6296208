#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <atomic>

namespace tercet::server {
namespace {

using Labels = std::map<std::string, std::string>;
using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kFirstToken = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
const Buckets kInterToken = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
const Buckets kWhole = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800};

// One figure under two names.
template <typename Metric>
struct Pair {
  Metric* vllm;
  Metric* own;
};
using Gauges = Pair<prometheus::Gauge>;
using Counters = Pair<prometheus::Counter>;
using Histograms = Pair<prometheus::Histogram>;

void set(const Gauges& gauges, double value) {
  gauges.vllm->Set(value);
  gauges.own->Set(value);
}
void add(const Counters& counters, double value) {
  counters.vllm->Increment(value);
  counters.own->Increment(value);
}
void observe(const Histograms& histograms, double value) {
  histograms.vllm->Observe(value);
  histograms.own->Observe(value);
}

}  // namespace

struct Metrics::Families {
  explicit Families(const std::string& model_name) : labels{{"model_name", model_name}} {}

  prometheus::Gauge* gauge(const std::string& name, const std::string& help) {
    return &prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
  }
  prometheus::Counter* counter(const std::string& name, const std::string& help) {
    return &prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
  }
  prometheus::Histogram* histogram(const std::string& name, const std::string& help, const Buckets& buckets) {
    return &prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, buckets);
  }
  Gauges gauges(const std::string& theirs, const std::string& ours, const std::string& help) {
    return {gauge("vllm:" + theirs, help), gauge("tercet_" + ours, help)};
  }
  Counters counters(const std::string& theirs, const std::string& ours, const std::string& help) {
    return {counter("vllm:" + theirs, help), counter("tercet_" + ours, help)};
  }
  Histograms histograms(const std::string& theirs, const std::string& ours, const std::string& help,
                        const Buckets& buckets) {
    return {histogram("vllm:" + theirs, help, buckets), histogram("tercet_" + ours, help, buckets)};
  }
  prometheus::Family<prometheus::Counter>& counter_family(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  const Labels labels;
  Gauges running = gauges("num_requests_running", "requests_running", "Sequences that are being computed");
  Gauges waiting = gauges("num_requests_waiting", "requests_waiting", "Sequences in the queue");
  Gauges kv_use = gauges("kv_cache_usage_perc", "kv_use_ratio", "Share of the KV pages in use, 0 to 1");
  prometheus::Gauge* kv_pages = gauge("tercet_kv_pages", "KV pages that there are");
  prometheus::Gauge* kv_pages_used = gauge("tercet_kv_pages_used", "KV pages in use");
  prometheus::Gauge* old_kv_use = gauge("vllm:gpu_cache_usage_perc", "Share of the KV pages in use, 0 to 1");
  Counters prompt_tokens = counters("prompt_tokens_total", "prompt_tokens_total", "Prompt tokens of ended requests");
  Counters output_tokens = counters("generation_tokens_total", "output_tokens_total", "Tokens generated");
  Counters preempted =
      counters("num_preemptions_total", "preemptions_total", "Times that a sequence gave up its pages");
  Histograms first_token = histograms("time_to_first_token_seconds", "first_token_seconds",
                                      "From admission to the first token", kFirstToken);
  Histograms inter_token =
      histograms("inter_token_latency_seconds", "inter_token_seconds", "Between two tokens", kInterToken);
  prometheus::Histogram* per_token = histogram("vllm:time_per_output_token_seconds", "Between two tokens", kInterToken);
  Histograms whole = histograms("e2e_request_latency_seconds", "request_seconds", "From admission to the end", kWhole);
  Histograms queued =
      histograms("request_queue_time_seconds", "queue_seconds", "From admission to the first step", kFirstToken);
  Counters cache_queries = counters("prefix_cache_queries_total", "prefix_cache_queries_total",
                                    "Prompt tokens looked up in the prefix cache");
  Counters cache_hits =
      counters("prefix_cache_hits_total", "prefix_cache_hits_total", "Prompt tokens that the prefix cache had");
  prometheus::Gauge* cache_pages = gauge(
      "tercet_prefix_cache_pages", "KV pages that the prefix cache alone holds, and lets go when they are needed");
  prometheus::Counter* cache_evicted =
      counter("tercet_prefix_cache_evictions_total", "KV pages that the prefix cache has let go");
  prometheus::Gauge* connections = gauge("tercet_connections", "Connections that are open");
  prometheus::Family<prometheus::Counter>& success =
      counter_family("vllm:request_success_total", "Requests that ended, by reason");
  prometheus::Family<prometheus::Counter>& finished =
      counter_family("tercet_requests_total", "Requests that ended, by reason and by the name of the key");
  prometheus::Family<prometheus::Counter>& http =
      counter_family("tercet_http_responses_total", "Answers, by route and status");
  prometheus::Family<prometheus::Counter>& refused =
      counter_family("tercet_refused_total", "Requests that were refused, by reason");
  prometheus::Counter* dropped_lines =
      counter("tercet_log_lines_dropped_total", "Lines of the log that nobody read in time");
  std::atomic<int64_t> n_dropped_line = 0;
  int n_preempted = 0;  // the engine thread's, as is the next
  int64_t n_evicted = 0;
};

Metrics::Metrics(const std::string& model_name) : families_(std::make_unique<Families>(model_name)) {}
Metrics::~Metrics() = default;

void Metrics::note_http(std::string_view route, int status) {
  families_->http.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
}

void Metrics::note_refused(std::string_view why) { families_->refused.Add({{"reason", std::string(why)}}).Increment(); }

void Metrics::note_connections(int64_t n) { families_->connections->Set(static_cast<double>(n)); }

void Metrics::note_dropped_lines(int64_t n) {
  int64_t before = families_->n_dropped_line;
  while (before < n && !families_->n_dropped_line.compare_exchange_weak(before, n)) {
  }
  if (before < n) families_->dropped_lines->Increment(static_cast<double>(n - before));
}

void Metrics::note_engine(const engine::EngineStats& stats, int64_t n_page) {
  const int n_free = stats.n_page_free + stats.n_page_cached;
  const double use = n_page > 0 ? 1.0 - static_cast<double>(n_free) / static_cast<double>(n_page) : 0.0;
  set(families_->kv_use, use);
  families_->old_kv_use->Set(use);
  families_->kv_pages->Set(static_cast<double>(n_page));
  families_->kv_pages_used->Set(static_cast<double>(n_page - n_free));
  if (stats.n_preempted > families_->n_preempted)
    add(families_->preempted, stats.n_preempted - std::exchange(families_->n_preempted, stats.n_preempted));
  families_->cache_pages->Set(stats.n_page_cached);
  const int64_t n_before = std::exchange(families_->n_evicted, stats.n_page_evicted);
  families_->cache_evicted->Increment(static_cast<double>(stats.n_page_evicted - n_before));
}

void Metrics::note_waiting(int64_t n_running, int64_t n_waiting) {
  set(families_->running, static_cast<double>(n_running));
  set(families_->waiting, static_cast<double>(n_waiting));
}

void Metrics::note_first_token(double s) { observe(families_->first_token, s); }

void Metrics::note_inter_token(double s) {
  observe(families_->inter_token, s);
  families_->per_token->Observe(s);
}

void Metrics::note_finished(engine::FinishReason reason, const engine::Timings& timings, std::string_view key_name) {
  Families& f = *families_;
  add(f.prompt_tokens, timings.n_prompt);
  add(f.output_tokens, timings.n_output);
  observe(f.whole, (timings.first_token_ms + timings.decode_ms) / 1000);
  observe(f.queued, timings.queue_ms / 1000);
  const std::string name(engine::finish_reason_name(reason));
  if (reason == engine::FinishReason::kStop || reason == engine::FinishReason::kLength) {
    Labels labels = f.labels;
    labels["finished_reason"] = name;
    f.success.Add(labels).Increment();
  }
  f.finished.Add({{"reason", name}, {"key", std::string(key_name)}}).Increment();
}

void Metrics::note_cache(const engine::Timings& timings) {
  add(families_->cache_queries, timings.n_prompt);
  add(families_->cache_hits, timings.n_cached);
}

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(families_->registry.Collect()); }

}  // namespace tercet::server
