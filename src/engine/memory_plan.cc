#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/memory.h"

namespace tercet::engine {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

int64_t pages_for(const MemoryNeed& need, int64_t n_ctx) { return (n_ctx + need.page_size - 1) / need.page_size; }

// Pages are whole, and each sequence has its own.
int64_t kv_bytes(const MemoryNeed& need, int64_t n_ctx) {
  return pages_for(need, n_ctx) * need.page_size * need.n_sequence * need.kv_bytes_per_token;
}

// The most context that fits into `bytes` of KV cache, up to the trained length; 0 if none does.
int largest_ctx(const MemoryNeed& need, int64_t bytes) {
  const int64_t page_bytes = need.kv_bytes_per_token * need.page_size * need.n_sequence;
  const int64_t n_token = std::max<int64_t>(bytes, 0) / page_bytes * need.page_size;
  return static_cast<int>(std::min<int64_t>(n_token, need.n_ctx_train));
}

MemoryPlan make_plan(const MemoryNeed& need, int n_ctx, int64_t free_bytes) {
  return {.n_ctx = n_ctx,
          .n_page = static_cast<int>(pages_for(need, n_ctx)) * need.n_sequence,
          .weight_bytes = need.weight_bytes,
          .kv_bytes = kv_bytes(need, n_ctx),
          .reserve_bytes = reserve_of(free_bytes),
          .free_bytes = free_bytes,
          .is_cut = false};
}

tl::unexpected<Error> does_not_fit(const MemoryNeed& need, const MemoryPlan& plan, int fitting) {
  auto failure = error(Code::kOutOfMemory, "{}: does not fit: {}, want {} more", need.model, plan.describe(),
                       format_bytes(plan.total_bytes() - plan.free_bytes));
  if (fitting > 0) return with_hint(std::move(failure), fmt::format("--ctx {} would fit", fitting));
  return with_hint(std::move(failure), "free some memory, or use a smaller quantization of the model");
}

Status check_need(const MemoryNeed& need) {
  CHECK(need.weight_bytes >= 0 && need.kv_bytes_per_token > 0 && need.n_ctx_train > 0);
  CHECK(need.page_size > 0 && need.n_sequence > 0);
  // Where the products below could wrap around, nothing fits anyway.
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 4;
  const auto n_token = static_cast<double>(pages_for(need, need.n_ctx_train) * need.page_size);
  const double n_byte = n_token * need.n_sequence * static_cast<double>(need.kv_bytes_per_token);
  const double n_page = static_cast<double>(pages_for(need, need.n_ctx_train)) * need.n_sequence;
  if (n_byte > static_cast<double>(kMost) || n_page > std::numeric_limits<int>::max() || need.weight_bytes > kMost)
    return error(Code::kOutOfMemory,
                 "{}: a KV cache of {} bytes a token for {} times {} tokens, want one that can exist", need.model,
                 need.kv_bytes_per_token, need.n_sequence, need.n_ctx_train);
  if (need.ctx && (*need.ctx < 0 || *need.ctx > need.n_ctx_train))
    return error(Code::kInvalidArgument, "--ctx: {}, want 0..{} (the length that the model was trained on)", *need.ctx,
                 need.n_ctx_train);
  return {};
}

}  // namespace

int64_t reserve_of(int64_t free_bytes) { return std::max(free_bytes / 100 * 3, std::min(512 * kMiB, free_bytes / 4)); }

Result<MemoryPlan> plan_memory(const MemoryNeed& need, int64_t free_bytes) {
  RETURN_IF_ERROR(check_need(need));
  const int64_t kv_room = free_bytes - reserve_of(free_bytes) - need.weight_bytes;
  const int fitting = largest_ctx(need, kv_room);
  const int least = std::min(kMinCtx, need.n_ctx_train);
  const int usable = fitting >= least ? fitting : 0;
  if (!need.ctx) {
    MemoryPlan plan = make_plan(need, std::max(fitting, least), free_bytes);
    if (usable == 0) return does_not_fit(need, plan, 0);
    plan.is_cut = usable < need.n_ctx_train;
    return plan;
  }
  const MemoryPlan plan = make_plan(need, *need.ctx == 0 ? need.n_ctx_train : *need.ctx, free_bytes);
  if (plan.kv_bytes > kv_room) return does_not_fit(need, plan, usable);
  return plan;
}

std::string MemoryPlan::describe() const {
  return fmt::format("{} weights + {} KV cache ({} tokens) + {} reserve = {} of {} free", format_bytes(weight_bytes),
                     format_bytes(kv_bytes), n_ctx, format_bytes(reserve_bytes), format_bytes(total_bytes()),
                     format_bytes(free_bytes));
}

}  // namespace tercet::engine
