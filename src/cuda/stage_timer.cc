#include "cuda/stage_timer.h"

#include <atomic>

#include "base/check.h"

namespace tercet::cuda {

Status StageTimer::prepare(size_t n_mark) {
  if (gate_.size() == 0) {
    ASSIGN_OR_RETURN(gate_, PinnedBuffer<uint32_t>::allocate(1, "timing a step"));
  }
  while (events_.size() <= n_mark) {
    ASSIGN_OR_RETURN(Event event, make_event(cudaEventDefault));
    events_.push_back(std::move(event));
  }
  return {};
}

void StageTimer::begin(cudaStream_t stream) {
  marks_.clear();
  std::atomic_ref(*gate_.data()).store(0);
  status_ = hold(gate_.data(), stream);
  record(stream);
}

void StageTimer::mark(cudaStream_t stream, backend::Stage stage) {
  marks_.push_back(stage);
  CHECK(marks_.size() < events_.size());
  record(stream);
}

void StageTimer::record(cudaStream_t stream) {
  if (status_ == cudaSuccess) status_ = cudaEventRecord(events_[marks_.size()].get(), stream);
}

void StageTimer::release() { std::atomic_ref(*gate_.data()).store(1); }

Result<backend::StageTimes> StageTimer::read() const {
  RETURN_IF_ERROR(check(status_, "timing a step"));
  backend::StageTimes out = {};
  for (size_t i = 0; i < marks_.size(); ++i) {
    float ms = 0;
    RETURN_IF_ERROR(check(cudaEventElapsedTime(&ms, events_[i].get(), events_[i + 1].get()), "timing a step"));
    out[static_cast<size_t>(marks_[i])] += double{ms} / 1e3;
  }
  return out;
}

}  // namespace tercet::cuda
