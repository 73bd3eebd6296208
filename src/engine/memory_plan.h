// Owns the question whether a model fits, and with how much context, before anything of it is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"

namespace tercet::engine {

// The memory that a plan may use: the host's, or a device's own.
struct MemoryRoom {
  int64_t free_bytes = 0;
  int64_t reserve_bytes = 0;  // of them, left to the program's own needs and to others
  int64_t total_bytes = 0;    // of a device, whose memory others may hold as well; 0 for the host
  std::string where;          // stands in messages; empty for the host
  bool is_known = true;       // false: the device does not tell, and the figures above say nothing

  int64_t used_bytes() const { return total_bytes > 0 ? total_bytes - free_bytes : 0; }
};

// Of the host 3 % of what is free stay free, and at least 512 MiB or, where that is less, a quarter.
MemoryRoom host_room(int64_t free_bytes);
// Of a device 5 % of all that it has: more than 95 % in use, others' share included, ends in failures that no plan sees.
MemoryRoom device_room(std::string where, int64_t free_bytes, int64_t total_bytes);
MemoryRoom unknown_room(std::string where);
// As the device's kind asks for.
MemoryRoom room_of(const backend::DeviceInfo& device);

struct MemoryNeed {
  std::string model;  // stands in messages
  backend::Footprint footprint;
  int n_ctx_train = 0;
  std::optional<int> ctx;  // --ctx: nothing is the most that fits, 0 the trained length
  int page_size = 64;      // tokens
  int n_sequence = 1;      // sequences that may each fill the context
  int n_sharing = 1;       // with n_sequence 1: beyond one context's pages, up to those of so many if they fit
  int n_page = 0;          // this many pages, and ctx and n_sequence are not looked at; 0: as many as they ask for
};

struct MemoryPlan {
  int n_ctx = 0;   // of one sequence
  int n_page = 0;  // of all
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t workspace_bytes = 0;
  MemoryRoom room;
  bool is_cut = false;  // n_ctx is less than the trained length because no more fits, or nobody knows whether it would
  // With what stays free.
  int64_t total_bytes() const { return weight_bytes + kv_bytes + workspace_bytes + room.reserve_bytes; }
  // "17.3 GiB weights + 384.0 MiB KV cache (4096 tokens) + 81.0 MiB workspace + 512.0 MiB reserve = 18.3 GiB of 23.1 GiB
  // free", and of a device " on NVIDIA L4, where 1.2 GiB of 22.0 GiB are in use".
  std::string describe() const;
};

// The least context that is worth starting with, if the model was trained on as much.
inline constexpr int kMinCtx = 256;

// The context where a device does not tell its memory and none was asked for.
inline constexpr int kBlindCtx = 8192;

// Errors: kInvalidArgument for a context below 0 or beyond the trained length; kOutOfMemory with the sum, and as the hint
// the context that would fit, or else what would help.
Result<MemoryPlan> plan_memory(const MemoryNeed& need, const MemoryRoom& room);

}  // namespace tercet::engine
