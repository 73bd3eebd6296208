// Owns the figures that a monitor reads at /metrics: under the names that vLLM's dashboards and Kubernetes' inference
// gateway know, and the project's own (tercet_...). Any thread may note something.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace tercet::server {

class Metrics {
 public:
  explicit Metrics(const std::string& model_name);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void note_http(std::string_view route, int status);
  void note_refused(std::string_view why);  // "queue_full", "unauthorized", ...
  void note_connections(int64_t n);
  void note_dropped_lines(int64_t n);  // of the log, since the beginning
  void note_engine(const engine::EngineStats& stats, int64_t n_page);
  void note_waiting(int64_t n_running, int64_t n_waiting);
  void note_first_token(double s);
  void note_inter_token(double s);
  // A request of the engine's that ended.
  void note_finished(engine::FinishReason reason, const engine::Timings& timings, std::string_view key_name);
  void note_cache(const engine::Timings& timings);  // of a request that ended, where there is a prefix cache

  std::string text() const;  // Prometheus' exposition format

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace tercet::server
