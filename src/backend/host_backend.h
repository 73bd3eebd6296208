// Owns the half of a backend that ref and cpu share: the queue of submitted steps, each slot's last token, the KV cache
// in host memory, and sampling. A step runs on the thread that waits for it: a CPU has no idle device to keep busy.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace tercet::backend {

// A batch that owns its spans, with every kLast resolved when it runs.
class Step {
 public:
  explicit Step(const Batch& batch);
  std::span<const Row> rows() const { return rows_; }
  std::span<const Sequence> sequences() const { return sequences_; }
  std::span<const PageCopy> page_copies() const { return page_copies_; }
  std::span<const Output> outputs() const { return outputs_; }
  std::span<Row> mutable_rows() { return rows_; }

 private:
  std::vector<Row> rows_;
  std::vector<Sequence> sequences_;
  std::vector<PageCopy> page_copies_;
  std::vector<Output> outputs_;
  // What the spans inside sequences_ and outputs_ point to; reserved in full before the first is taken.
  std::vector<PageId> pages_;
  std::vector<TokenCount> counts_;
  std::vector<TokenBias> biases_;
  std::vector<uint32_t> masks_;
};

// The KV cache: [n_layer][keys, values][n_page][n_head_kv][page_size][d_head] of f32 or f16 in anonymous memory,
// which the kernel hands out as it is touched.
class HostKv {
 public:
  static Result<std::unique_ptr<HostKv>> allocate(const KvLayout& layout);
  ~HostKv();
  HostKv(const HostKv&) = delete;
  HostKv& operator=(const HostKv&) = delete;

  const KvLayout& layout() const { return layout_; }
  // One head's keys (or values) of one page: [page_size, d_head] elements of layout().type.
  std::byte* keys(int layer, PageId page, int head) const { return at(layer, 0, page, head); }
  std::byte* values(int layer, PageId page, int head) const { return at(layer, 1, page, head); }
  void copy_page(PageCopy copy) const;

 private:
  HostKv(const KvLayout& layout, std::byte* data, int64_t bytes) : layout_(layout), data_(data), bytes_(bytes) {}
  std::byte* at(int layer, int which, PageId page, int head) const;

  KvLayout layout_;
  std::byte* data_;
  int64_t bytes_;
};

// What ref and cpu say of themselves for the memory plan. The workspace is an estimate from above.
Footprint host_footprint(const model::Model& model, const Options& options, KvType kv_type);

// Brings the mapped weights into memory in the file's order, so that the first token does not wait for a thousand small
// reads in any order. It is no more than a help: what fails here is found out when the bytes are used.
void read_ahead(const model::Model& model, const LoadProgress& progress);

class HostBackend : public Backend {
 public:
  Result<Ticket> submit(const Batch& batch, TraceSink* trace) final;
  Status wait(Ticket ticket, StepResult& out) final;
  Result<StageTimes> time_step(const Batch& batch, StepResult& out) final;
  const Limits& limits() const final { return limits_; }

 protected:
  HostBackend(std::shared_ptr<const model::Model> model, const Limits& limits, std::unique_ptr<HostKv> kv);

  // Runs the rows of a step; page copies are done and no token is kLast. Returns [outputs, n_vocab] logits, valid until
  // the next call. `times`, if not null, is added to.
  virtual std::span<const float> run(const Step& step, TraceSink* trace, StageTimes* times) = 0;

  const model::Model& model() const { return *model_; }
  const HostKv& kv() const { return *kv_; }

 private:
  struct Pending {
    Ticket ticket;
    Step step;
    TraceSink* trace;
  };
  Status finish(Ticket ticket, StepResult& out, StageTimes* times);
  void sample(const Step& step, std::span<const TokenId> last_used, std::span<const float> logits, StepResult& out);

  std::shared_ptr<const model::Model> model_;
  Limits limits_;
  std::unique_ptr<HostKv> kv_;
  std::deque<Pending> pending_;
  std::vector<TokenId> last_token_;  // [max_sequence], -1 where none was sampled yet
  Ticket next_ticket_ = 1;
};

}  // namespace tercet::backend
