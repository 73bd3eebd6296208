#include "cuda/bandwidth.h"

#include <algorithm>
#include <vector>

#include "cuda/cuda.h"
#include "cuda/memory.h"

namespace tercet::cuda {
namespace {

constexpr int64_t kMostBytes = int64_t{4} << 30;
constexpr int64_t kLeastBytes = int64_t{64} << 20;
constexpr int kGroupsAMultiprocessor = 4;  // of 512 threads: all that it holds
constexpr int kWarmUp = 2;
constexpr int kPasses = 9;

Result<float> timed_pass(const DeviceBuffer<uint8_t>& buffer, uint32_t* sink, int n_group, cudaStream_t stream,
                         const Event& begin, const Event& end) {
  constexpr std::string_view kWhat = "measuring the read bandwidth";
  float ms = 0;
  RETURN_IF_ERROR(check(cudaEventRecord(begin.get(), stream), kWhat));
  RETURN_IF_ERROR(check(read_sum(buffer.data(), buffer.size(), sink, n_group, stream), kWhat));
  RETURN_IF_ERROR(check(cudaEventRecord(end.get(), stream), kWhat));
  RETURN_IF_ERROR(check(cudaEventSynchronize(end.get()), kWhat));
  RETURN_IF_ERROR(check(cudaEventElapsedTime(&ms, begin.get(), end.get()), kWhat));
  return ms;
}

}  // namespace

Result<double> measure_read_bandwidth(int device) {
  RETURN_IF_ERROR(check(cudaSetDevice(device), "choosing the device"));
  size_t free = 0;
  size_t total = 0;
  RETURN_IF_ERROR(check(cudaMemGetInfo(&free, &total), "asking for the free memory"));
  int n_multiprocessor = 0;
  RETURN_IF_ERROR(check(cudaDeviceGetAttribute(&n_multiprocessor, cudaDevAttrMultiProcessorCount, device),
                        "attributes of the device"));
  const int64_t n_byte = std::clamp(static_cast<int64_t>(free / 2) / 4096 * 4096, kLeastBytes, kMostBytes);
  ASSIGN_OR_RETURN(const auto buffer, DeviceBuffer<uint8_t>::allocate(n_byte, "measuring the read bandwidth"));
  ASSIGN_OR_RETURN(const auto sink, DeviceBuffer<uint32_t>::allocate(1, "measuring the read bandwidth"));
  ASSIGN_OR_RETURN(const auto stream, make_stream());
  ASSIGN_OR_RETURN(const auto begin, make_event(cudaEventDefault));
  ASSIGN_OR_RETURN(const auto end, make_event(cudaEventDefault));
  RETURN_IF_ERROR(check(cudaMemsetAsync(buffer.data(), 0x5A, static_cast<size_t>(n_byte), stream.get()),
                        "measuring the read bandwidth"));
  std::vector<float> times;
  for (int i = 0; i < kWarmUp + kPasses; ++i) {
    ASSIGN_OR_RETURN(const float ms, timed_pass(buffer, sink.data(), n_multiprocessor * kGroupsAMultiprocessor,
                                                stream.get(), begin, end));
    if (i >= kWarmUp) times.push_back(ms);
  }
  std::ranges::nth_element(times, times.begin() + kPasses / 2);
  return static_cast<double>(n_byte) / (times[kPasses / 2] / 1000.0);
}

}  // namespace tercet::cuda
