// Owns the times of a step's stages on the device: an event in the stream behind each stage, and a kernel in front that holds
// the stream until the host has launched all of the step, so that no stage waits for the host.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "backend/stage_times.h"
#include "cuda/memory.h"

namespace tercet::cuda {

class StageTimer {
 public:
  // Makes room for that many stages, all layers', before anything of the step is in the stream. Errors: kOutOfMemory, kDevice.
  Status prepare(size_t n_mark);
  // Holds the stream, until release() or for a tenth of a second, and begins. Errors of this and of mark(): read().
  void begin(cudaStream_t stream);
  void mark(cudaStream_t stream, backend::Stage stage);
  void release();
  // When the stream is done with the step. Errors: kDevice.
  Result<backend::StageTimes> read() const;

 private:
  void record(cudaStream_t stream);

  PinnedBuffer<uint32_t> gate_;        // 0: the stream is held
  std::vector<Event> events_;          // the first is the beginning
  std::vector<backend::Stage> marks_;  // of event i + 1
  cudaError_t status_ = cudaSuccess;
};

// Does nothing until *gate is not 0, or a tenth of a second is over: a stream that takes no more launches would wait for ever.
cudaError_t hold(const uint32_t* gate, cudaStream_t stream);

}  // namespace tercet::cuda
