#include "cuda/arithmetic.h"

#include <algorithm>
#include <vector>

#include "cuda/cuda.h"
#include "cuda/memory.h"

namespace tercet::cuda {
namespace {

constexpr std::string_view kMeasuring = "measuring the arithmetic";
constexpr int kGroupsOnOne =
    2;  // blocks that a multiprocessor holds at a time, with 32 sums for each of its tensor cores
constexpr float kPassMs = 10;
constexpr int kLeastRounds = 512;
constexpr int kMostRounds = 1 << 22;
constexpr int kMeasured = 7;

}  // namespace

Result<backend::Arithmetic> measure_arithmetic(int device, int /*n_thread*/) {
  RETURN_IF_ERROR(check(cudaSetDevice(device), "choosing the device"));
  int n_multiprocessor = 0;
  RETURN_IF_ERROR(check(cudaDeviceGetAttribute(&n_multiprocessor, cudaDevAttrMultiProcessorCount, device),
                        "attributes of the device"));
  const int n_group = n_multiprocessor * kGroupsOnOne;
  ASSIGN_OR_RETURN(const auto sink, DeviceBuffer<float>::allocate(1, kMeasuring));
  ASSIGN_OR_RETURN(const auto stream, make_stream());
  ASSIGN_OR_RETURN(const auto begin, make_event(cudaEventDefault));
  ASSIGN_OR_RETURN(const auto end, make_event(cudaEventDefault));
  const auto pass_ms = [&](int n_round) -> Result<float> {
    float ms = 0;
    RETURN_IF_ERROR(check(cudaEventRecord(begin.get(), stream.get()), kMeasuring));
    RETURN_IF_ERROR(check(multiply(n_round, sink.data(), n_group, stream.get()), kMeasuring));
    RETURN_IF_ERROR(check(cudaEventRecord(end.get(), stream.get()), kMeasuring));
    RETURN_IF_ERROR(check(cudaEventSynchronize(end.get()), kMeasuring));
    RETURN_IF_ERROR(check(cudaEventElapsedTime(&ms, begin.get(), end.get()), kMeasuring));
    return ms;
  };
  RETURN_IF_ERROR(pass_ms(1));  // the first launch brings the kernel over
  int n_round = kLeastRounds;
  ASSIGN_OR_RETURN(float ms, pass_ms(n_round));
  while (ms < kPassMs && n_round < kMostRounds) {
    ASSIGN_OR_RETURN(ms, pass_ms(n_round *= 2));
  }
  std::vector<float> times;
  for (int i = 0; i < kMeasured; ++i) {
    ASSIGN_OR_RETURN(ms, pass_ms(n_round));
    times.push_back(ms);
  }
  std::ranges::nth_element(times, times.begin() + kMeasured / 2);
  return backend::Arithmetic{kFlopsARound * n_round * n_group / (times[kMeasured / 2] / 1e3),
                             "f16 products added up in f32 by the tensor cores (mma.sync m16n8k16)"};
}

}  // namespace tercet::cuda
