#include "engine/request.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace tercet::engine {
namespace {

constexpr RequestLimits kLimits = {.n_vocab = 6144, .n_ctx = 10, .has_text = true};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Request good() {
  Request request;
  request.prompt = {785, 921, 308};
  return request;
}

struct Bad {
  std::function<void(Request&)> spoil;
  std::string message;
  Code code = Code::kInvalidArgument;
};

TEST(CheckRequest, NamesWhatIsWrong) {
  const std::vector<Bad> cases = {
      {[](Request& r) { r.prompt.clear(); }, "prompt: 0 tokens, want at least 1"},
      {[](Request& r) { r.prompt[1] = 9217; }, "prompt: token id 9217, want 0..6143"},
      {[](Request& r) { r.prompt[1] = -1; }, "prompt: token id -1, want 0..6143"},
      {[](Request& r) { r.prompt.resize(11); }, "prompt: 11 tokens, want at most 10 (the context)"},
      {[](Request& r) { r.max_output = -1; }, "number of tokens: -1, want 0 or more"},
      {[](Request& r) { r.sampling.temperature = -1; }, "temperature: -1, want 0 or more"},
      {[](Request& r) { r.sampling.temperature = kNan; }, "temperature: nan, want 0 or more"},
      {[](Request& r) { r.sampling.temperature = kInf; }, "temperature: inf, want 0 or more"},
      {[](Request& r) { r.sampling.top_k = -1; }, "top_k: -1, want 0 (no limit) or more"},
      {[](Request& r) { r.sampling.top_p = 1.5F; }, "top_p: 1.5, want 0 to 1"},
      {[](Request& r) { r.sampling.min_p = kNan; }, "min_p: nan, want 0 to 1"},
      {[](Request& r) { r.sampling.repeat_penalty = 0; }, "repeat_penalty: 0, want more than 0"},
      {[](Request& r) { r.sampling.presence_penalty = kInf; }, "presence_penalty: inf, want a number"},
      {[](Request& r) { r.sampling.frequency_penalty = kNan; }, "frequency_penalty: nan, want a number"},
      {[](Request& r) { r.n_logprob = 1001; }, "logprobs: 1001, want 0..1000"},
      {[](Request& r) { r.bias.push_back({6144, 0}); }, "logit bias: token id 6144, want 0..6143"},
      {[](Request& r) { r.bias.push_back({0, kNan}); }, "logit bias: nan, want a number"},
      {[](Request& r) { r.stop = {""}; }, "stop string: empty, want at least one character"},
      {[](Request& r) { r.stop = {"\x80"}; }, "stop string: begins with byte 0x80, want UTF-8"},
      {[](Request& r) { r.stop = {std::string(1025, 'x')}; }, "stop string: 1025 bytes, want at most 1024",
       Code::kLimit},
      {[](Request& r) { r.stop.assign(65, "x"); }, "stop strings: 65, want at most 64", Code::kLimit},
  };
  EXPECT_TRUE(check_request(good(), kLimits));
  for (const Bad& bad : cases) {
    Request request = good();
    bad.spoil(request);
    const Status status = check_request(request, kLimits);
    ASSERT_FALSE(status) << bad.message;
    EXPECT_EQ(status.error().message, bad.message);
    EXPECT_EQ(status.error().code, bad.code) << bad.message;
  }
}

TEST(CheckRequest, StopStringsNeedATokenizer) {
  Request request = good();
  request.stop = {"x"};
  EXPECT_TRUE(check_request(request, kLimits));
  EXPECT_FALSE(check_request(request, {.n_vocab = 6144, .n_ctx = 10, .has_text = false}));
}

TEST(Timings, GiveRates) {
  const Timings timings{.n_prompt = 100, .n_output = 11, .prompt_ms = 50, .decode_ms = 1000};
  EXPECT_DOUBLE_EQ(timings.prompt_tok_s(), 2000);
  EXPECT_DOUBLE_EQ(timings.decode_tok_s(), 10);
  EXPECT_EQ(Timings{}.prompt_tok_s(), 0);
  EXPECT_EQ(Timings{.n_output = 1}.decode_tok_s(), 0);
}

}  // namespace
}  // namespace tercet::engine
