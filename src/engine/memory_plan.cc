#include "engine/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/memory.h"

namespace tercet::engine {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

int64_t pages_for(const MemoryNeed& need, int64_t n_ctx) { return (n_ctx + need.page_size - 1) / need.page_size; }

int64_t page_bytes(const MemoryNeed& need) { return need.footprint.kv_bytes_per_token * need.page_size; }

// What is left for the KV cache.
int64_t kv_room(const MemoryNeed& need, const MemoryRoom& room) {
  return room.free_bytes - room.reserve_bytes - need.footprint.weight_bytes - need.footprint.workspace_bytes;
}

// The most context that fits, up to the trained length; 0 if none does. Pages are whole, and each sequence has its own.
int largest_ctx(const MemoryNeed& need, const MemoryRoom& room) {
  const int64_t n_page = std::max<int64_t>(kv_room(need, room), 0) / (page_bytes(need) * need.n_sequence);
  return static_cast<int>(std::min<int64_t>(n_page * need.page_size, need.n_ctx_train));
}

MemoryPlan make_plan(const MemoryNeed& need, int n_ctx, int64_t n_page, const MemoryRoom& room) {
  return {.n_ctx = n_ctx,
          .n_page = static_cast<int>(n_page),
          .weight_bytes = need.footprint.weight_bytes,
          .kv_bytes = n_page * page_bytes(need),
          .workspace_bytes = need.footprint.workspace_bytes,
          .room = room,
          .is_cut = false};
}

MemoryPlan plan_for_ctx(const MemoryNeed& need, int n_ctx, const MemoryRoom& room) {
  return make_plan(need, n_ctx, pages_for(need, n_ctx) * need.n_sequence, room);
}

MemoryPlan plan_for_pages(const MemoryNeed& need, const MemoryRoom& room) {
  const int64_t n_token = int64_t{need.n_page} * need.page_size;
  return make_plan(need, static_cast<int>(std::min<int64_t>(n_token, std::numeric_limits<int>::max())), need.n_page,
                   room);
}

// One context's pages are there; the pool grows to those of `n_sharing` contexts, as far as there is room.
void add_shared_pages(const MemoryNeed& need, const MemoryRoom& room, MemoryPlan& plan) {
  const int64_t wanted = pages_for(need, plan.n_ctx) * need.n_sharing;
  const int64_t fitting = kv_room(need, room) / page_bytes(need);
  const int64_t n_page = std::clamp<int64_t>(std::min(wanted, fitting), plan.n_page, std::numeric_limits<int>::max());
  plan.n_page = static_cast<int>(n_page);
  plan.kv_bytes = n_page * page_bytes(need);
}

// What would help, where no shorter context does.
std::string advice(const MemoryPlan& plan) {
  const int64_t used = plan.room.used_bytes();
  if (used > 0 && plan.total_bytes() <= plan.room.free_bytes + used)
    return "it would fit if others left the device (nvidia-smi shows them); --device chooses another, --backend cpu "
           "none";
  if (plan.room.total_bytes > 0) return "--backend cpu, another --device, or a smaller quantization of the model";
  return "free some memory, or use a smaller quantization of the model";
}

tl::unexpected<Error> does_not_fit(const MemoryNeed& need, const MemoryPlan& plan, int fitting) {
  auto failure = error(Code::kOutOfMemory, "{}: does not fit: {}, want {} more", need.model, plan.describe(),
                       format_bytes(plan.total_bytes() - plan.room.free_bytes));
  return with_hint(std::move(failure), fitting > 0 ? fmt::format("--ctx {} would fit", fitting) : advice(plan));
}

Status check_need(const MemoryNeed& need) {
  const backend::Footprint& f = need.footprint;
  CHECK(f.weight_bytes >= 0 && f.workspace_bytes >= 0 && f.kv_bytes_per_token > 0 && need.n_ctx_train > 0);
  CHECK(need.page_size > 0 && need.n_sequence > 0 && need.n_sharing > 0 && need.n_page >= 0);
  // Where the products above could wrap around, nothing fits anyway.
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 8;
  const double n_page =
      need.n_page > 0 ? need.n_page : static_cast<double>(pages_for(need, need.n_ctx_train)) * need.n_sequence;
  const double n_byte = n_page * need.page_size * static_cast<double>(f.kv_bytes_per_token);
  if (n_byte > static_cast<double>(kMost) || n_page > std::numeric_limits<int>::max() || f.weight_bytes > kMost ||
      f.workspace_bytes > kMost)
    return error(Code::kOutOfMemory,
                 "{}: a KV cache of {} bytes a token for {} times {} tokens, want one that can exist", need.model,
                 f.kv_bytes_per_token, need.n_sequence, need.n_ctx_train);
  if (need.ctx && (*need.ctx < 0 || *need.ctx > need.n_ctx_train))
    return error(Code::kInvalidArgument, "--ctx: {}, want 0..{} (the length that the model was trained on)", *need.ctx,
                 need.n_ctx_train);
  return {};
}

// What was asked for, or a context that most devices with room for the weights have room for: the device
// itself says if not.
MemoryPlan plan_blindly(const MemoryNeed& need, const MemoryRoom& room) {
  if (need.n_page > 0) return plan_for_pages(need, room);
  const int unasked = std::min(kBlindCtx, need.n_ctx_train);
  MemoryPlan plan = plan_for_ctx(need, !need.ctx ? unasked : *need.ctx == 0 ? need.n_ctx_train : *need.ctx, room);
  plan.is_cut = !need.ctx && unasked < need.n_ctx_train;
  return plan;
}

}  // namespace

MemoryRoom host_room(int64_t free_bytes) {
  const int64_t reserve = std::max(free_bytes / 100 * 3, std::min(512 * kMiB, free_bytes / 4));
  return {.free_bytes = free_bytes, .reserve_bytes = reserve, .total_bytes = 0, .where = ""};
}

MemoryRoom unknown_room(std::string where) { return {.where = std::move(where), .is_known = false}; }

MemoryRoom device_room(std::string where, int64_t free_bytes, int64_t total_bytes) {
  return {.free_bytes = free_bytes,
          .reserve_bytes = (total_bytes + 19) / 20,
          .total_bytes = total_bytes,
          .where = std::move(where)};
}

MemoryRoom room_of(const backend::DeviceInfo& device) {
  if (!device.memory_free || !device.memory_total) return unknown_room(device.name);
  const auto free_bytes = static_cast<int64_t>(*device.memory_free);
  if (device.kind == backend::DeviceKind::kCpu || device.kind == backend::DeviceKind::kSoftware)
    return host_room(free_bytes);
  return device_room(device.name, free_bytes, static_cast<int64_t>(*device.memory_total));
}

Result<MemoryPlan> plan_memory(const MemoryNeed& need, const MemoryRoom& room) {
  RETURN_IF_ERROR(check_need(need));
  if (!room.is_known) return plan_blindly(need, room);
  if (need.n_page > 0) {
    MemoryPlan plan = plan_for_pages(need, room);
    if (plan.kv_bytes > kv_room(need, room)) return does_not_fit(need, plan, 0);
    return plan;
  }
  const int fitting = largest_ctx(need, room);
  const int least = std::min(kMinCtx, need.n_ctx_train);
  const int usable = fitting >= least ? fitting : 0;
  if (!need.ctx) {
    MemoryPlan plan = plan_for_ctx(need, std::max(fitting, least), room);
    if (usable == 0) return does_not_fit(need, plan, 0);
    plan.is_cut = usable < need.n_ctx_train;
    add_shared_pages(need, room, plan);
    return plan;
  }
  MemoryPlan plan = plan_for_ctx(need, *need.ctx == 0 ? need.n_ctx_train : *need.ctx, room);
  if (plan.kv_bytes > kv_room(need, room)) return does_not_fit(need, plan, usable);
  add_shared_pages(need, room, plan);
  return plan;
}

std::string MemoryPlan::describe() const {
  if (!room.is_known)
    return fmt::format("{} weights + {} KV cache ({} tokens) + {} workspace on {}, which does not tell its memory",
                       format_bytes(weight_bytes), format_bytes(kv_bytes), n_ctx, format_bytes(workspace_bytes),
                       room.where);
  std::string text =
      fmt::format("{} weights + {} KV cache ({} tokens) + {} workspace + {} reserve = {} of {} free",
                  format_bytes(weight_bytes), format_bytes(kv_bytes), n_ctx, format_bytes(workspace_bytes),
                  format_bytes(room.reserve_bytes), format_bytes(total_bytes()), format_bytes(room.free_bytes));
  if (!room.where.empty())
    text += fmt::format(" on {}, where {} of {} are in use", room.where, format_bytes(room.used_bytes()),
                        format_bytes(room.total_bytes));
  return text;
}

}  // namespace tercet::engine
