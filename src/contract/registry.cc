#include <algorithm>
#include <array>

#include "contract/check.h"
#include "contract/falsifiers/falsifiers.h"

namespace tercet::contract {
namespace {

constexpr std::string_view kParity[] = {"cosine", "yardstick"};
constexpr std::string_view kPerLayer[] = {"relative_l2", "flip_margin"};
constexpr std::string_view kAllPositions[] = {"cosine", "flip_margin"};
constexpr std::string_view kFreeRun[] = {"mean_kl", "kl_99", "lost_tops", "flip_margin"};
constexpr std::string_view kQuality[] = {"perplexity_ratio"};
constexpr std::string_view kReference[] = {"relative_l2"};

constexpr std::string_view kRouting[] = {"wrong_ties", "weight_sum", "weight_error", "flip_margin"};
constexpr std::string_view kMicro[] = {"relative_l2", "cosine", "flip_margin"};
constexpr std::string_view kInvariants[] = {"causality", "permutation", "chunking", "pages", "company"};
constexpr std::string_view kDeterminism[] = {"between_runs", "between_backends", "with_trace"};
constexpr std::string_view kKv[] = {"prefix", "copy", "in_flight"};
constexpr std::string_view kKvBook[] = {"violations"};
constexpr std::string_view kFallback[] = {"wrong_names", "accepted_devices", "wrong_caches"};
constexpr std::string_view kMemory[] = {"share", "kv_over_plan"};
constexpr std::string_view kThroughput[] = {"share"};
constexpr std::string_view kGguf[] = {"accepted_cuts", "lost_values", "error_q8_0", "error_q6_k", "error_q4_k"};
constexpr std::string_view kTokenizer[] = {"wrong_texts", "wrong_streams", "accepted_ids"};

constexpr Check kChecks[] = {
    {"parity", true, kParity, check_parity},
    {"per_layer", true, kPerLayer, check_per_layer},
    {"all_positions", true, kAllPositions, check_all_positions},
    {"free_run", true, kFreeRun, check_free_run},
    {"quality", true, kQuality, check_quality},
    {"reference", false, kReference, check_reference},
    {"routing", true, kRouting, check_routing},
    {"quant", true, kMicro, check_quant},
    {"quiet", true, kMicro, check_quiet},
    {"invariants", true, kInvariants, check_invariants},
    {"determinism", true, kDeterminism, check_determinism},
    {"kv", true, kKv, check_kv},
    {"kv_book", false, kKvBook, check_kv_book},
    {"fallback", true, kFallback, check_fallback},
    {"memory", true, kMemory, check_memory},
    {"throughput", true, kThroughput, check_throughput},
    {"gguf", false, kGguf, check_gguf},
    {"tokenizer", false, kTokenizer, check_tokenizer},
};

}  // namespace

std::span<const Check> checks() { return kChecks; }

const Check* find_check(std::string_view name) {
  const auto* found = std::ranges::find(kChecks, name, &Check::name);
  return found == std::end(kChecks) ? nullptr : found;
}

}  // namespace tercet::contract
