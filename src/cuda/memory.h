// Owns what the CUDA runtime hands out and wants back: device and pinned memory, streams, events. All of it belongs to the
// device that was current when it was made (cudaSetDevice) and may be given back whichever is.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/memory.h"
#include "base/result.h"
#include "cuda/error.h"

namespace tercet::cuda {

struct DeviceSpace {
  static constexpr std::string_view kOfWhat = "";
  static cudaError_t allocate(void** data, size_t n_byte) { return cudaMalloc(data, n_byte); }
  static void give_back(void* data) { (void)cudaFree(data); }
};

struct PinnedSpace {
  static constexpr std::string_view kOfWhat = " of pinned host memory";
  static cudaError_t allocate(void** data, size_t n_byte) { return cudaHostAlloc(data, n_byte, cudaHostAllocDefault); }
  static void give_back(void* data) { (void)cudaFreeHost(data); }
};

// Elements of a plain type in one of the two memories. Aligned to 256 bytes.
template <typename T, typename Space>
class Buffer {
 public:
  // `what` stands in messages: "weights". What it holds is not defined. Errors: kOutOfMemory with the size, kDevice.
  static Result<Buffer> allocate(int64_t n, std::string_view what) {
    Buffer out;
    const cudaError_t status = Space::allocate(&out.data_, static_cast<size_t>(n) * sizeof(T));
    if (status != cudaSuccess) {
      (void)cudaGetLastError();  // running out of memory harms nothing else
      return cuda_error(fmt::format("{}{} for {}", format_bytes(n * int64_t{sizeof(T)}), Space::kOfWhat, what), status);
    }
    out.n_ = n;
    return out;
  }
  Buffer() = default;
  ~Buffer() { Space::give_back(data_); }
  Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), n_(std::exchange(other.n_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(n_, other.n_);
    return *this;
  }

  T* data() const { return static_cast<T*>(data_); }
  int64_t size() const { return n_; }

 private:
  void* data_ = nullptr;
  int64_t n_ = 0;
};

template <typename T>
using DeviceBuffer = Buffer<T, DeviceSpace>;
// In the host's memory, so that copies to and from the device need not wait for the host.
template <typename T>
using PinnedBuffer = Buffer<T, PinnedSpace>;

struct DestroyStream {
  void operator()(cudaStream_t stream) const { (void)cudaStreamDestroy(stream); }
};
using Stream = std::unique_ptr<CUstream_st, DestroyStream>;

// One that does not wait for the default stream.
inline Result<Stream> make_stream() {
  cudaStream_t stream = nullptr;
  RETURN_IF_ERROR(check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream"));
  return Stream(stream);
}

struct DestroyEvent {
  void operator()(cudaEvent_t event) const { (void)cudaEventDestroy(event); }
};
using Event = std::unique_ptr<CUevent_st, DestroyEvent>;

// cudaEventDisableTiming for one that is only waited for, cudaEventDefault for one that is to measure.
inline Result<Event> make_event(unsigned flags = cudaEventDisableTiming) {
  cudaEvent_t event = nullptr;
  RETURN_IF_ERROR(check(cudaEventCreateWithFlags(&event, flags), "making an event"));
  return Event(event);
}

}  // namespace tercet::cuda
