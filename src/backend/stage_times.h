// Owns the names of the stages of a step, and how long each of them took.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tercet::backend {

// In the order of the pass (model/qwen3_moe.h).
enum class Stage : uint8_t { kEmbed, kAttnIn, kAttn, kAttnOut, kRoute, kExperts, kHead };
inline constexpr size_t kNumStage = 7;

constexpr std::string_view stage_name(Stage stage) {
  constexpr std::array<std::string_view, kNumStage> kNames = {"embed", "attn_in", "attn", "attn_out",
                                                              "route", "experts", "head"};
  return kNames[static_cast<size_t>(stage)];
}

// Seconds by Stage, all layers together.
using StageTimes = std::array<double, kNumStage>;

}  // namespace tercet::backend
