// What the stages share on the host's side: a step's begin, and its taps.
#include <vector>

#include "cuda/context.h"

namespace tercet::cuda {

static_assert(model::StageSet<Stages>);

void Stages::begin(const StepPlan& plan, cudaStream_t stream, backend::TraceSink* trace) {
  plan_ = plan;
  stream_ = stream;
  trace_ = trace;
  status_ = cudaSuccess;
  failed_ = "";
  chained_ = false;
}

// What the kernels for one row ask of a model: formats with fragments everywhere, an f32 router, and sizes that fit.
bool Stages::is_regular(const model::Config& c, const Weights& weights, backend::Precision precision) {
  const auto has_frag = [](const Tensor& w) { return w.layout != Layout::kFile; };
  bool ok = precision != backend::Precision::kExact && c.d_model % 256 == 0 && c.d_model / 256 <= kMaxOneBlock &&
            c.d_q() / 256 <= kMaxOneBlock && c.n_expert <= kMaxRanked &&
            c.n_expert_used * (c.d_ff / 256) <= kMaxDownWarp * kMaxDownUnits && c.n_expert >= c.d_model / 256;
  for (const LayerWeights& w : weights.layers)
    ok = ok && has_frag(w.wq) && has_frag(w.wk) && has_frag(w.wv) && has_frag(w.wo) && w.gate_inp.type == 0 &&
         has_frag(w.gate_exps) && w.gate_exps.layout == w.up_exps.layout && has_frag(w.down_exps);
  return ok;
}

const LayerWeights& Stages::weights_of(const model::LayerSpec& layer) const {
  return weights_.layers[static_cast<size_t>(layer.index)];
}

// A trace waits for every tap: it is a tool for finding faults, and what it sees must not change under its eyes.
template <class T>
static cudaError_t copy_rows(std::vector<T>& to, const T* from, int64_t n_row, int64_t width, int64_t stride,
                             cudaStream_t stream) {
  to.resize(static_cast<size_t>(n_row * width));
  const size_t row_bytes = sizeof(T) * static_cast<size_t>(width);
  const cudaError_t status = cudaMemcpy2DAsync(to.data(), row_bytes, from, sizeof(T) * static_cast<size_t>(stride),
                                               row_bytes, static_cast<size_t>(n_row), cudaMemcpyDeviceToHost, stream);
  return status == cudaSuccess ? cudaStreamSynchronize(stream) : status;
}

void Stages::tap(backend::Tap tap, int layer, const float* values, int64_t n_row, int64_t width, int64_t stride) {
  if (!wants(tap) || status_ != cudaSuccess) return;
  std::vector<float> copy;
  status_ = copy_rows(copy, values, n_row, width, stride == 0 ? width : stride, stream_);
  chained_ = false;
  if (status_ == cudaSuccess) trace_->write({tap, layer, n_row, width, copy, {}});
}

void Stages::tap_ids(backend::Tap tap, int layer, const int32_t* ids, int64_t n_row, int64_t width) {
  if (!wants(tap) || status_ != cudaSuccess) return;
  std::vector<int32_t> copy;
  status_ = copy_rows(copy, ids, n_row, width, width, stream_);
  chained_ = false;
  if (status_ == cudaSuccess) trace_->write({tap, layer, n_row, width, {}, copy});
}

}  // namespace tercet::cuda
