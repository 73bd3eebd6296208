// A stand-in until the stages are here: it plans memory and runs nothing.
#include "cuda/cuda.h"
#include "cuda/weights.h"
#include "cuda/workspace.h"

namespace tercet::cuda {
namespace {

backend::KvType kv_type(backend::Precision precision) {
  return precision == backend::Precision::kExact ? backend::KvType::kF32 : backend::KvType::kF16;
}

backend::Footprint footprint(const model::Model& model, const backend::Options& options) {
  const model::Config& c = model.config;
  return {.weight_bytes = weight_bytes_on_device(model, options.precision),
          .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * kv_element_bytes(kv_type(options.precision)),
          .workspace_bytes = workspace_bytes(c, options.max_row, options.max_sequence, options.precision)};
}

Result<std::unique_ptr<backend::Backend>> make(std::shared_ptr<const model::Model>, const backend::Options& options) {
  RETURN_IF_ERROR(check_device(options.device));
  return error(Code::kUnsupported, "cuda: no stages in this version, want one that has them");
}

}  // namespace

const backend::Factory kFactory = {"cuda", 2048, footprint, make};

}  // namespace tercet::cuda
