// Owns how a backend is told that a stage is over: a set of stages for model::forward that calls a mark behind each.
#pragma once

#include <utility>

#include "backend/stage_times.h"
#include "model/qwen3_moe.h"

namespace tercet::backend {

template <model::StageSet S, typename Mark>
class MarkedStages {
 public:
  MarkedStages(S& stages, Mark mark) : stages_(stages), mark_(std::move(mark)) {}

  void embed(const model::Model& model, const model::Shape& shape) {
    stages_.embed(model, shape);
    mark_(Stage::kEmbed);
  }
  void attn_in(const model::LayerSpec& layer, const model::Shape& shape) {
    stages_.attn_in(layer, shape);
    mark_(Stage::kAttnIn);
  }
  void attn(const model::LayerSpec& layer, const model::Shape& shape) {
    stages_.attn(layer, shape);
    mark_(Stage::kAttn);
  }
  void attn_out(const model::LayerSpec& layer, const model::Shape& shape) {
    stages_.attn_out(layer, shape);
    mark_(Stage::kAttnOut);
  }
  void route(const model::LayerSpec& layer, const model::Shape& shape) {
    stages_.route(layer, shape);
    mark_(Stage::kRoute);
  }
  void experts(const model::LayerSpec& layer, const model::Shape& shape) {
    stages_.experts(layer, shape);
    mark_(Stage::kExperts);
  }
  void head(const model::Model& model, const model::Shape& shape) {
    stages_.head(model, shape);
    mark_(Stage::kHead);
  }

 private:
  S& stages_;
  Mark mark_;
};

}  // namespace tercet::backend
