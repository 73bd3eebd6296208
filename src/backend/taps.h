// Owns the taps: the named values of the forward pass that a trace can see. Names are llama.cpp's, so that traces line
// up. The same kernels run with and without a trace; a tap costs a copy and changes no bit.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tercet::backend {

enum class Tap : uint8_t {
  kInpEmbd,  // embed
  kAttnNorm,
  kQcur,
  kKcur,
  kVcur,    // attn_in (q and k after RoPE)
  kKqvOut,  // attn
  kFfnInp,  // attn_out
  kFfnNorm,
  kFfnMoeTopk,
  kFfnMoeWeightsNorm,  // route
  kFfnMoeOut,
  kLOut,  // experts
  kResultNorm,
  kResultOutput,  // head
};
inline constexpr int kNumTap = 14;

struct TapInfo {
  std::string_view name;
  bool per_layer;  // its tensor is called NAME-LAYER
  bool is_ids;     // i32 instead of f32
};

inline constexpr std::array<TapInfo, kNumTap> kTapInfo = {{
    {"inp_embd", false, false},
    {"attn_norm", true, false},
    {"Qcur", true, false},
    {"Kcur", true, false},
    {"Vcur", true, false},
    {"kqv_out", true, false},
    {"ffn_inp", true, false},
    {"ffn_norm", true, false},
    {"ffn_moe_topk", true, true},
    {"ffn_moe_weights_norm", true, false},
    {"ffn_moe_out", true, false},
    {"l_out", true, false},
    {"result_norm", false, false},
    {"result_output", false, false},
}};

constexpr const TapInfo& tap_info(Tap tap) { return kTapInfo[static_cast<size_t>(tap)]; }

constexpr std::optional<Tap> find_tap(std::string_view name) {
  for (int i = 0; i < kNumTap; ++i)
    if (kTapInfo[static_cast<size_t>(i)].name == name) return static_cast<Tap>(i);
  return std::nullopt;
}

// One tap of one step. Rows are the step's rows in the batch's order; for result_norm and result_output they are the
// step's outputs. Exactly one of f32 and ids is not empty: [n_row, width].
struct TapView {
  Tap tap;
  int layer;  // -1 where the tap is not per layer
  int64_t n_row;
  int64_t width;
  std::span<float> f32;
  std::span<int32_t> ids;
};

// Takes the taps as they are computed, in the order of the forward pass, on the thread that waits for the step.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual bool wants(Tap tap) const = 0;
  // `ref` goes on with what the sink leaves in the view: a sink that writes another backend's recorded values there
  // turns a run of ref into the stage-local or the routing-forced gate (docs/stages.md#gates). Every other backend
  // hands out a copy.
  virtual void write(const TapView& view) = 0;
};

}  // namespace tercet::backend
