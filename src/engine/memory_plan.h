// Owns the question whether a model fits, and with how much context, before anything of it is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace tercet::engine {

struct MemoryNeed {
  std::string model;               // stands in messages
  int64_t weight_bytes = 0;        // of the mapped file: it has to stay in memory to be of use
  int64_t kv_bytes_per_token = 0;  // backend::Factory::kv_bytes_per_token
  int n_ctx_train = 0;
  std::optional<int> ctx;  // --ctx: nothing is the most that fits, 0 the trained length
  int page_size = 64;      // tokens
  int n_sequence = 1;      // sequences that may each fill the context
};

struct MemoryPlan {
  int n_ctx = 0;   // of one sequence
  int n_page = 0;  // of all
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t reserve_bytes = 0;  // left to the program's own needs and to the rest of the machine
  int64_t free_bytes = 0;
  bool is_cut = false;  // n_ctx is less than the trained length because no more fits
  int64_t total_bytes() const { return weight_bytes + kv_bytes + reserve_bytes; }
  // "17.3 GiB weights + 384.0 MiB KV cache (4096 tokens) + 512.0 MiB reserve = 18.2 GiB of 23.1 GiB free"
  std::string describe() const;
};

// The least context that is worth starting with, if the model was trained on as much.
inline constexpr int kMinCtx = 256;

// What stays free of `free_bytes`: 3 %, and at least 512 MiB or, where that is less, a quarter.
int64_t reserve_of(int64_t free_bytes);

// Errors: kInvalidArgument for a context below 0 or beyond the trained length; kOutOfMemory with the sum, and with the
// context that would fit, if there is one, as the hint.
Result<MemoryPlan> plan_memory(const MemoryNeed& need, int64_t free_bytes);

}  // namespace tercet::engine
