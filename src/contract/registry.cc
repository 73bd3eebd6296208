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

constexpr Check kChecks[] = {
    {"parity", true, kParity, check_parity},
    {"per_layer", true, kPerLayer, check_per_layer},
    {"all_positions", true, kAllPositions, check_all_positions},
    {"free_run", true, kFreeRun, check_free_run},
    {"quality", true, kQuality, check_quality},
    {"reference", false, kReference, check_reference},
};

}  // namespace

std::span<const Check> checks() { return kChecks; }

const Check* find_check(std::string_view name) {
  const auto* found = std::ranges::find(kChecks, name, &Check::name);
  return found == std::end(kChecks) ? nullptr : found;
}

}  // namespace tercet::contract
