#include "backend/host_backend.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "backend/check_batch.h"
#include "backend/sampling.h"
#include "base/check.h"
#include "base/checked.h"
#include "model/weights.h"

namespace tercet::backend {
namespace {

// Appends what `from` holds and gives back where it now lies; `to` was reserved, so earlier spans stay valid.
template <typename T>
std::span<const T> keep(std::vector<T>& to, std::span<const T> from) {
  CHECK(to.size() + from.size() <= to.capacity());
  const size_t begin = to.size();
  to.insert(to.end(), from.begin(), from.end());
  return std::span<const T>(to).subspan(begin, from.size());
}

// How much of the file is brought in between two calls of the progress.
constexpr int64_t kReadAhead = int64_t{64} << 20;

void populate(std::span<const std::byte> bytes) {
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto* begin = const_cast<std::byte*>(bytes.data() - before);
  (void)::madvise(begin, bytes.size() + before, MADV_POPULATE_READ);
}

}  // namespace

void read_ahead(const model::Model& model, const LoadProgress& progress) {
  if (!model.file->is_mapped()) return;
  const int64_t n_total = model.weight_bytes();
  int64_t n_done = 0;
  for (const gguf::TensorInfo& info : model.file->tensors()) {
    const auto n_byte = static_cast<int64_t>(info.n_byte);
    for (int64_t i = 0; i < n_byte; i += kReadAhead) {
      const int64_t n = std::min(kReadAhead, n_byte - i);
      populate(info.data.subspan(static_cast<size_t>(i), static_cast<size_t>(n)));
      n_done += n;
      if (progress) progress(n_done, n_total);
    }
  }
}

Footprint host_footprint(const model::Model& model, const Options& options, KvType kv_type) {
  const model::Config& c = model.config;
  const int64_t n_slot = int64_t{options.max_row} * c.n_expert_used;
  // The residual stream, its normalised copy, the sum to add; q, k, v and attention's answer; the router; of each slot
  // gate, up, their product and the answer. Twice, for the forms that products are prepared in.
  const int64_t a_row = 3 * int64_t{c.d_model} + 2 * (c.d_q() + c.d_kv()) + c.n_expert;
  const int64_t a_slot = 3 * int64_t{c.d_ff} + c.d_model;
  const int64_t n_value = 2 * (options.max_row * a_row + n_slot * a_slot) + int64_t{options.max_sequence} * c.n_vocab;
  // What was made in memory is no longer among what is free.
  return {.weight_bytes = model.file->is_mapped() ? model.weight_bytes() : 0,
          .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * kv_element_bytes(kv_type),
          .workspace_bytes = n_value * int64_t{sizeof(float)}};
}

Step::Step(const Batch& batch)
    : rows_(batch.rows.begin(), batch.rows.end()),
      sequences_(batch.sequences.begin(), batch.sequences.end()),
      page_copies_(batch.page_copies.begin(), batch.page_copies.end()),
      outputs_(batch.outputs.begin(), batch.outputs.end()) {
  size_t n_page = 0;
  size_t n_count = 0;
  size_t n_bias = 0;
  size_t n_mask = 0;
  for (const Sequence& s : sequences_) n_page += s.pages.size();
  for (const Output& o : outputs_) {
    n_count += o.counts.size();
    n_bias += o.bias.size();
    n_mask += o.mask.size();
  }
  pages_.reserve(n_page);
  counts_.reserve(n_count);
  biases_.reserve(n_bias);
  masks_.reserve(n_mask);
  for (Sequence& s : sequences_) s.pages = keep(pages_, s.pages);
  for (Output& o : outputs_) {
    o.counts = keep(counts_, o.counts);
    o.bias = keep(biases_, o.bias);
    o.mask = keep(masks_, o.mask);
  }
}

Result<std::unique_ptr<HostKv>> HostKv::allocate(const KvLayout& layout) {
  const auto bytes = checked_mul<int64_t>(layout.page_bytes(), layout.n_page);
  if (layout.n_page < 1 || !bytes)
    return error(Code::kInvalidArgument, "KV cache: {} pages of {} bytes, want at least one and fewer than 2^63 bytes",
                 layout.n_page, layout.page_bytes());
  void* data = mmap(nullptr, static_cast<size_t>(*bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return error(Code::kOutOfMemory, "KV cache: {} bytes: {}", *bytes, std::strerror(errno));
  return std::unique_ptr<HostKv>(new HostKv(layout, static_cast<std::byte*>(data), *bytes));
}

HostKv::~HostKv() { munmap(data_, static_cast<size_t>(bytes_)); }

std::byte* HostKv::at(int layer, int which, PageId page, int head) const {
  const int64_t head_bytes = int64_t{layout_.page_size} * layout_.d_head * kv_element_bytes(layout_.type);
  const int64_t index = ((int64_t{layer} * 2 + which) * layout_.n_page + page) * layout_.n_head_kv + head;
  return data_ + index * head_bytes;
}

void HostKv::copy_page(PageCopy copy) const {
  const int64_t bytes =
      int64_t{layout_.n_head_kv} * layout_.page_size * layout_.d_head * kv_element_bytes(layout_.type);
  for (int layer = 0; layer < layout_.n_layer; ++layer)
    for (const int which : {0, 1})
      std::memcpy(at(layer, which, copy.to, 0), at(layer, which, copy.from, 0), static_cast<size_t>(bytes));
}

HostBackend::HostBackend(std::shared_ptr<const model::Model> model, const Limits& limits, std::unique_ptr<HostKv> kv)
    : model_(std::move(model)),
      limits_(limits),
      kv_(std::move(kv)),
      last_token_(static_cast<size_t>(limits.max_sequence), -1) {}

Result<Ticket> HostBackend::submit(const Batch& batch, TraceSink* trace) {
  check_batch(batch, limits_, model_->config.n_vocab);
  CHECK(pending_.size() < 2);
  pending_.push_back({next_ticket_, Step(batch), trace});
  return next_ticket_++;
}

Status HostBackend::wait(Ticket ticket, StepResult& out) { return finish(ticket, out, nullptr); }

Result<StageTimes> HostBackend::time_step(const Batch& batch, StepResult& out) {
  CHECK(pending_.empty());
  ASSIGN_OR_RETURN(const Ticket ticket, submit(batch, nullptr));
  StageTimes times = {};
  RETURN_IF_ERROR(finish(ticket, out, &times));
  return times;
}

Status HostBackend::finish(Ticket ticket, StepResult& out, StageTimes* times) {
  CHECK(!pending_.empty() && pending_.front().ticket == ticket);
  Pending pending = std::move(pending_.front());
  pending_.pop_front();
  Step& step = pending.step;

  // A sampler's penalties must count the token behind kLast, which the engine had not seen when it submitted.
  std::vector<TokenId> last_used(step.rows().size(), -1);
  for (size_t i = 0; i < last_used.size(); ++i) {
    Row& row = step.mutable_rows()[i];
    if (row.token != kLast) continue;
    row.token = last_token_[static_cast<size_t>(step.sequences()[static_cast<size_t>(row.sequence)].slot)];
    CHECK(row.token >= 0);
    last_used[i] = row.token;
  }
  for (const PageCopy& copy : step.page_copies()) kv_->copy_page(copy);
  const std::span<const float> logits = run(step, pending.trace, times);
  RETURN_IF_ERROR(model_->file->check_intact());
  sample(step, last_used, logits, out);
  return {};
}

void HostBackend::sample(const Step& step, std::span<const TokenId> last_used, std::span<const float> logits,
                         StepResult& out) {
  const size_t n_vocab = static_cast<size_t>(model_->config.n_vocab);
  out.outputs.assign(step.outputs().size(), {});
  for (size_t i = 0; i < out.outputs.size(); ++i) {
    const Output& request = step.outputs()[i];
    OutputResult& result = out.outputs[i];
    const auto row_logits = logits.subspan(i * n_vocab, n_vocab);
    if (request.logits) result.logits.assign(row_logits.begin(), row_logits.end());
    sample_row(row_logits, request, last_used[static_cast<size_t>(request.row)], result);
    const Row& row = step.rows()[static_cast<size_t>(request.row)];
    if (request.sample)
      last_token_[static_cast<size_t>(step.sequences()[static_cast<size_t>(row.sequence)].slot)] = result.token;
  }
}

}  // namespace tercet::backend
