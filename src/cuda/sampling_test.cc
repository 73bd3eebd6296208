// The device's sampler against the host's, backend::sample_row. Prints its seed, and the case where they differ.
#include "cuda/sampling.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backend/sampling.h"
#include "cuda/sampler.h"
#include "cuda/sampling_cases.h"

namespace tercet::cuda {
namespace {

using backend::OutputResult;

constexpr uint32_t kSeed = 20'240'229;

#define ASSERT_CUDA(call)                                                            \
  do {                                                                               \
    const cudaError_t status_ = (call);                                              \
    ASSERT_EQ(status_, cudaSuccess) << #call << ": " << cudaGetErrorString(status_); \
  } while (false)

#define SKIP_WITHOUT_DEVICE()                                                                      \
  do {                                                                                             \
    int n_device_ = 0;                                                                             \
    const cudaError_t status_ = cudaGetDeviceCount(&n_device_);                                    \
    if (status_ != cudaSuccess) GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(status_); \
    if (n_device_ == 0) GTEST_SKIP() << "no CUDA device";                                          \
  } while (false)

// Memory of the device that grows when it must.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() { cudaFree(data_); }
  void reserve(size_t bytes) {
    if (bytes <= bytes_) return;
    cudaFree(data_);
    data_ = nullptr;
    ASSERT_CUDA(cudaMalloc(&data_, bytes));
    bytes_ = bytes;
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// A step of these outputs: each a row of its own sequence, in slots from the last to the first.
struct Step {
  explicit Step(const std::vector<Request>& requests) {
    const auto n = static_cast<int32_t>(requests.size());
    for (int32_t i = 0; i < n; ++i) {
      const Request& request = requests[static_cast<size_t>(i)];
      rows.push_back({request.last >= 0 ? backend::kLast : 0, 0, i});
      sequences.push_back({n - 1 - i, 1, {}});
      outputs.push_back(request.wanted());
      outputs.back().row = i;
      logits.insert(logits.end(), request.logits.begin(), request.logits.end());
    }
    last_token.resize(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) last_token[requests.size() - 1 - i] = requests[i].last;
  }
  backend::Batch batch() const { return {rows, sequences, {}, outputs}; }

  std::vector<backend::Row> rows;
  std::vector<backend::Sequence> sequences;
  std::vector<Output> outputs;
  std::vector<float> logits;
  std::vector<TokenId> last_token;
};

// All that the sampler leaves behind.
struct Answer {
  std::vector<SampleResult> results;
  std::vector<TopEntry> top;
  std::vector<TokenId> last_token;

  bool same_bits(const Answer& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0);
    };
    return same(results, other.results) && same(top, other.top) && same(last_token, other.last_token);
  }
};

// The device's memory for a step, and the launches.
class Device {
 public:
  // Copies the step there, with `poison` in all that the sampler has to write.
  void load(const Step& step, int n_vocab, int poison) {
    pack_ = OutputPack(step.batch(), n_vocab);
    n_vocab_ = n_vocab;
    const auto n = static_cast<size_t>(pack_.n_output());
    std::vector<uint64_t> block(pack_.bytes() / 8);
    pack_.write(step.batch(), reinterpret_cast<std::byte*>(block.data()));
    upload(logits_, step.logits.data(), step.logits.size() * sizeof(float));
    upload(block_, block.data(), pack_.bytes());
    upload(last_token_, step.last_token.data(), step.last_token.size() * sizeof(TokenId));
    fill(results_, n * sizeof(SampleResult), poison);
    fill(top_, n * kMaxTop * sizeof(TopEntry), poison);
    fill(workspace_, sample_workspace_bytes(pack_.n_output(), n_vocab), poison);
    // A stream that does not wait for the default one may launch before these have reached the device.
    ASSERT_CUDA(cudaDeviceSynchronize());
  }
  cudaError_t launch(cudaStream_t stream) const {
    return sample(stream, pack_.sample_class(), pack_.n_output(), n_vocab_,
                  {logits_.as<float>(), block_.as<std::byte>(), last_token_.as<TokenId>(), results_.as<SampleResult>(),
                   top_.as<TopEntry>(), workspace_.as<std::byte>()});
  }
  Answer answer(const Step& step) const {
    Answer a;
    a.results.resize(step.outputs.size());
    a.last_token.resize(step.last_token.size());
    const auto columns = static_cast<size_t>(pack_.max_logprob());
    a.top.resize(step.outputs.size() * columns);
    download(a.results, results_);
    download(a.last_token, last_token_);
    if (columns > 0) {
      const size_t width = columns * sizeof(TopEntry);
      EXPECT_EQ(cudaMemcpy2D(a.top.data(), width, top_.as<void>(), kMaxTop * sizeof(TopEntry), width,
                             step.outputs.size(), cudaMemcpyDeviceToHost),
                cudaSuccess);
    }
    // What was not asked for stays what it was, which is of no matter.
    for (size_t i = 0; i < step.outputs.size(); ++i)
      for (size_t j = static_cast<size_t>(std::min(step.outputs[i].n_logprob, n_vocab_)); j < columns; ++j)
        a.top[i * columns + j] = {};
    std::vector<float> raw(step.logits.size());
    download(raw, logits_);
    EXPECT_EQ(std::memcmp(raw.data(), step.logits.data(), raw.size() * sizeof(float)), 0) << "raw logits were changed";
    return a;
  }
  void unpack(const Answer& answer, backend::StepResult& out) const {
    pack_.unpack(answer.results.data(), answer.top.data(), pack_.max_logprob(), nullptr, out);
  }
  const OutputPack& pack() const { return pack_; }

 private:
  static void upload(DeviceMemory& to, const void* from, size_t bytes) {
    to.reserve(bytes);
    ASSERT_CUDA(cudaMemcpy(to.as<void>(), from, bytes, cudaMemcpyHostToDevice));
  }
  static void fill(DeviceMemory& memory, size_t bytes, int value) {
    memory.reserve(bytes);
    ASSERT_CUDA(cudaMemset(memory.as<void>(), value, bytes));
  }
  template <typename T>
  static void download(std::vector<T>& to, const DeviceMemory& from) {
    EXPECT_EQ(cudaMemcpy(to.data(), from.as<void>(), to.size() * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
  }

  OutputPack pack_;
  int n_vocab_ = 0;
  DeviceMemory logits_, block_, last_token_, results_, top_, workspace_;
};

void expect_same(const Request& q, const OutputResult& got, const OutputResult& want) {
  SCOPED_TRACE(q.describe());
  ASSERT_EQ(got.token, want.token);
  EXPECT_EQ(got.logprob, want.logprob);
  ASSERT_EQ(got.top.size(), want.top.size());
  for (size_t i = 0; i < got.top.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "place " << i << " of the list");
    ASSERT_EQ(got.top[i].token, want.top[i].token);
    EXPECT_EQ(got.top[i].logprob, want.top[i].logprob);
  }
}

// Runs the requests as one step, twice, over memory of different contents, and compares with the host.
void expect_host(Device& device, const std::vector<Request>& requests) {
  const Step step(requests);
  const auto n_vocab = static_cast<int>(requests[0].logits.size());
  std::array<Answer, 2> answers;
  for (const int run : {0, 1}) {
    device.load(step, n_vocab, run == 0 ? 0xFF : 0x3A);
    ASSERT_CUDA(device.launch(nullptr));
    ASSERT_CUDA(cudaDeviceSynchronize());
    answers[static_cast<size_t>(run)] = device.answer(step);
  }
  EXPECT_TRUE(answers[0].same_bits(answers[1])) << "two runs differ";
  backend::StepResult got;
  device.unpack(answers[0], got);
  for (size_t i = 0; i < requests.size(); ++i) {
    OutputResult want;
    const Request& q = requests[i];
    backend::sample_row(q.logits, q.wanted(), q.last, want);
    expect_same(q, got.outputs[i], want);
    if (q.output.n_logprob > 0 && answers[0].results[i].largest > -kInf) {
      EXPECT_EQ(answers[0].results[i].sum, weight_sum(q)) << q.describe();
    }
    EXPECT_EQ(answers[0].last_token[requests.size() - 1 - i], q.output.sample ? got.outputs[i].token : q.last);
    if (testing::Test::HasFailure()) return;
  }
}

struct Size {
  size_t n_vocab;
  int n_step;
  size_t max_output;
};

class Sampled : public testing::TestWithParam<Size> {};

TEST_P(Sampled, AsTheHostDoes) {
  SKIP_WITHOUT_DEVICE();
  const Size size = GetParam();
  Maker maker(kSeed + static_cast<uint32_t>(size.n_vocab));
  Device device;
  int n_row = 0;
  for (int i = 0; i < size.n_step; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " step " << i);
    std::vector<Request> requests;
    const size_t n = i == 0 ? size.max_output : 1 + maker.below(i % 4 == 0 ? size.max_output : 4);
    for (size_t j = 0; j < n; ++j) requests.push_back(maker.make(size.n_vocab));
    // Some steps are of one class alone.
    for (Request& q : requests) {
      if (i % 4 == 1) q.output = {}, q.last = -1, q.counts.clear(), q.bias.clear(), q.mask.clear();
      if (i % 4 != 2) continue;
      q.output.sampling.top_k = 1 + static_cast<int>(maker.below(64));
      q.output.n_logprob = std::min(q.output.n_logprob, 64);
    }
    expect_host(device, requests);
    if (HasFailure()) return;
    n_row += static_cast<int>(n);
  }
  fmt::print("vocabulary {}: {} rows\n", size.n_vocab, n_row);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, Sampled,
                         testing::Values(Size{1, 60, 256}, Size{2, 60, 256}, Size{31, 120, 256}, Size{64, 60, 64},
                                         Size{65, 60, 64}, Size{1000, 240, 256}, Size{2047, 60, 16}, Size{4097, 60, 16},
                                         Size{6144, 120, 256}, Size{151'936, 60, 64}),
                         [](const auto& param) { return std::to_string(param.param.n_vocab); });

Request default_request(Maker& maker, size_t n_vocab) {
  Request q = maker.make(n_vocab);
  std::mt19937 random(maker.below(1'000'000));
  std::normal_distribution<float> normal(0.0F, 3.0F);
  q.logits.resize(n_vocab);
  for (float& x : q.logits) x = normal(random);
  q.name = "normal";
  q.output = {};
  q.output.sampling = {.temperature = 0.7F, .top_k = 20, .top_p = 0.8F, .repeat_penalty = 1.05F, .seed = random()};
  q.counts.clear();
  for (TokenId token = 0; token < 1500 && token < static_cast<TokenId>(n_vocab); ++token)
    q.counts.push_back({token, token % 3, token % 2 == 0});
  q.bias.clear();
  q.mask.clear();
  q.last = 700 < n_vocab ? 700 : 0;
  return q;
}

// Equal logits, of which exactly `n_kept` stay, after `n_low` lower ones. The draws are those that come out as the last
// token that is kept, so that one token more or less shows.
TEST(Boundary, IsWhereTheHostHasIt) {
  SKIP_WITHOUT_DEVICE();
  struct Case {
    int n_vocab, n_low, top_k;
    float top_p;
    int n_kept;
  };
  for (const Case& c : {Case{200, 140, 60, 0.5F, 30}, Case{200, 100, 40, 1.0F, 40}, Case{10'000, 6, 0, 0.5F, 4997},
                        Case{10'000, 5, 100, 1.0F, 100}, Case{10'000, 2000, 5000, 0.25F, 1250}}) {
    Request q;
    q.name = "equal but for some lower";
    q.logits.assign(static_cast<size_t>(c.n_vocab), 1.0F);
    std::fill_n(q.logits.begin(), c.n_low, -1000.0F);
    q.output.sampling = {.temperature = 1.0F, .top_k = c.top_k, .top_p = c.top_p, .seed = kSeed};
    std::vector<Request> requests;
    for (uint64_t counter = 0; requests.size() < 12; ++counter) {
      const auto n_kept = static_cast<uint64_t>(c.n_kept);
      if (backend::mul_high(backend::random_bits(kSeed, counter), n_kept) < n_kept - 1) continue;
      q.output.random_counter = counter;
      requests.push_back(q);
      OutputResult want;
      backend::sample_row(q.logits, q.wanted(), -1, want);
      ASSERT_EQ(want.token, c.n_low + c.n_kept - 1);
    }
    Device device;
    expect_host(device, requests);
  }
}

// One graph serves steps of other values, with lists of other lengths, since all that varies lies in the block.
TEST(SampledInAGraph, ServesOtherSteps) {
  SKIP_WITHOUT_DEVICE();
  constexpr int kVocab = 6144;
  Maker maker(kSeed);
  Device device;
  cudaStream_t stream = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  for (const int top_k : {20, 0}) {
    std::vector<std::vector<Request>> steps(3);
    for (size_t i = 0; i < steps.size(); ++i) {
      for (int j = 0; j < 19; ++j) {
        Request q = i == 0 ? default_request(maker, kVocab) : maker.make(kVocab);
        q.output.n_logprob = std::min(q.output.n_logprob, 20);
        q.output.sampling.top_k = top_k;
        steps[i].push_back(q);
      }
      // The same class, whatever else came out.
      steps[i][0].output.sample = true;
      steps[i][0].output.sampling.temperature = 1.0F;
    }
    std::swap(steps[0], steps[1]);                                              // the captured one is not the longest
    for (const auto& requests : steps) device.load(Step(requests), kVocab, 0);  // all memory is there from here on
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    device.load(Step(steps[0]), kVocab, 0);
    ASSERT_CUDA(device.launch(stream));  // the kernels are loaded before the capture
    ASSERT_CUDA(cudaStreamSynchronize(stream));
    ASSERT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    ASSERT_CUDA(device.launch(stream));
    ASSERT_CUDA(cudaStreamEndCapture(stream, &graph));
    ASSERT_CUDA(cudaGraphInstantiate(&exec, graph, 0));
    for (const auto& requests : steps) {
      const Step step(requests);
      device.load(step, kVocab, 0x77);
      ASSERT_CUDA(cudaDeviceSynchronize());
      ASSERT_CUDA(cudaGraphLaunch(exec, stream));
      ASSERT_CUDA(cudaStreamSynchronize(stream));
      backend::StepResult got;
      device.unpack(device.answer(step), got);
      for (size_t i = 0; i < requests.size(); ++i) {
        OutputResult want;
        backend::sample_row(requests[i].logits, requests[i].wanted(), requests[i].last, want);
        expect_same(requests[i], got.outputs[i], want);
      }
    }
    ASSERT_CUDA(cudaGraphExecDestroy(exec));
    ASSERT_CUDA(cudaGraphDestroy(graph));
  }
  ASSERT_CUDA(cudaStreamDestroy(stream));
}

// Several outputs of one slot: each is penalized for the token from before the step, and the last one is remembered.
TEST(Slots, RememberTheirLastOutput) {
  SKIP_WITHOUT_DEVICE();
  Maker maker(kSeed + 1);
  std::vector<Request> requests;
  for (int i = 0; i < 6; ++i) requests.push_back(default_request(maker, 1000));
  Step step(requests);
  for (backend::Row& row : step.rows) row.sequence = row.sequence < 4 ? 0 : 5;
  step.rows[0].token = step.rows[1].token = 3;
  step.outputs[5].sample = false;
  step.last_token = {11, -1, -1, -1, -1, 700};  // sequence 0 has slot 5, sequence 5 slot 0
  Device device;
  device.load(step, 1000, 0xFF);
  ASSERT_CUDA(device.launch(nullptr));
  ASSERT_CUDA(cudaDeviceSynchronize());
  const Answer answer = device.answer(step);
  for (size_t i = 0; i < 6; ++i) {
    OutputResult want;
    const TokenId last = i < 2 ? -1 : i < 4 ? 700 : 11;
    backend::sample_row(requests[i].logits, step.outputs[i], last, want);
    EXPECT_EQ(answer.results[i].token, want.token) << "output " << i;
  }
  EXPECT_EQ(answer.last_token,
            (std::vector<TokenId>{answer.results[4].token, -1, -1, -1, -1, answer.results[3].token}));
}

// For information: microseconds a launch, in a graph of 50 of them.
double launch_us(const Device& device, cudaStream_t stream) {
  constexpr int kLaunch = 50;
  constexpr int kRun = 20;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  std::array<cudaEvent_t, 2> events{};
  for (cudaEvent_t& event : events) cudaEventCreate(&event);
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  for (int i = 0; i < kLaunch; ++i) device.launch(stream);
  cudaStreamEndCapture(stream, &graph);
  if (cudaGraphInstantiate(&exec, graph, 0) != cudaSuccess) return -1;
  std::vector<float> ms(kRun);
  for (float& each : ms) {
    cudaEventRecord(events[0], stream);
    cudaGraphLaunch(exec, stream);
    cudaEventRecord(events[1], stream);
    cudaEventSynchronize(events[1]);
    cudaEventElapsedTime(&each, events[0], events[1]);
  }
  std::sort(ms.begin(), ms.end());
  for (const cudaEvent_t event : events) cudaEventDestroy(event);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  return 1000.0 * static_cast<double>(ms[kRun / 2]) / kLaunch;
}

TEST(Timing, ForInformation) {
  SKIP_WITHOUT_DEVICE();
  constexpr size_t kVocab = 151'936;
  const std::vector<std::pair<const char*, std::function<void(Request&)>>> kinds = {
      {"greedy", [](Request& q) { q.output.sampling = {}; }},
      {"greedy, mask", [](Request& q) { q.output.sampling = {}, q.mask.assign((kVocab + 31) / 32, 0x5555'5555); }},
      {"defaults: 0.7, top-k 20, top-p 0.8, repeat 1.05", [](Request&) {}},
      {"the same and 20 log-probabilities", [](Request& q) { q.output.n_logprob = 20; }},
      {"temperature 1", [](Request& q) { q.output.sampling = {.temperature = 1.0F}; }},
      {"temperature 1, top-p 0.95", [](Request& q) { q.output.sampling = {.temperature = 1.0F, .top_p = 0.95F}; }},
  };
  cudaStream_t stream = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  Maker maker(kSeed + 2);
  Device device;
  fmt::print("median us a launch, vocabulary {}, for 1, 8, 64 outputs\n", kVocab);
  for (const auto& [name, change] : kinds) {
    fmt::print("  {:<50}", name);
    for (const int n : {1, 8, 64}) {
      Request q = default_request(maker, kVocab);
      change(q);
      device.load(Step(std::vector<Request>(static_cast<size_t>(n), q)), static_cast<int>(kVocab), 0);
      ASSERT_CUDA(device.launch(stream));
      ASSERT_CUDA(cudaStreamSynchronize(stream));
      fmt::print(" {:9.2f}", launch_us(device, stream));
    }
    fmt::print("\n");
  }
  ASSERT_CUDA(cudaStreamDestroy(stream));
}

}  // namespace
}  // namespace tercet::cuda
