#include "engine/request.h"

#include <cmath>

namespace tercet::engine {
namespace {

Status check_prompt(const Request& request, const RequestLimits& limits) {
  if (request.prompt.empty()) return error(Code::kInvalidArgument, "prompt: 0 tokens, want at least 1");
  if (request.prompt.size() > static_cast<size_t>(limits.n_ctx)) {
    return error(Code::kInvalidArgument, "prompt: {} tokens, want at most {} (the context)", request.prompt.size(),
                 limits.n_ctx);
  }
  for (const TokenId token : request.prompt) {
    if (token < 0 || token >= limits.n_vocab)
      return error(Code::kInvalidArgument, "prompt: token id {}, want 0..{}", token, limits.n_vocab - 1);
  }
  if (!(request.time_limit_ms >= 0))
    return error(Code::kInvalidArgument, "time limit: {} ms, want 0 (none) or more", request.time_limit_ms);
  if (request.max_output && *request.max_output < 0)
    return error(Code::kInvalidArgument, "number of tokens: {}, want 0 or more", *request.max_output);
  return {};
}

Status check_range(std::string_view name, float value, float low, float high) {
  if (value >= low && value <= high) return {};
  return error(Code::kInvalidArgument, "{}: {}, want {} to {}", name, value, low, high);
}

Status check_finite(std::string_view name, float value) {
  if (std::isfinite(value)) return {};
  return error(Code::kInvalidArgument, "{}: {}, want a number", name, value);
}

Status check_sampling(const backend::Sampling& s) {
  if (!(s.temperature >= 0.0F) || std::isinf(s.temperature))
    return error(Code::kInvalidArgument, "temperature: {}, want 0 or more", s.temperature);
  if (s.top_k < 0) return error(Code::kInvalidArgument, "top_k: {}, want 0 (no limit) or more", s.top_k);
  RETURN_IF_ERROR(check_range("top_p", s.top_p, 0.0F, 1.0F));
  RETURN_IF_ERROR(check_range("min_p", s.min_p, 0.0F, 1.0F));
  if (!(s.repeat_penalty > 0.0F) || std::isinf(s.repeat_penalty))
    return error(Code::kInvalidArgument, "repeat_penalty: {}, want more than 0", s.repeat_penalty);
  RETURN_IF_ERROR(check_finite("presence_penalty", s.presence_penalty));
  return check_finite("frequency_penalty", s.frequency_penalty);
}

Status check_extras(const Request& request, int n_vocab) {
  if (request.n_logprob < 0 || request.n_logprob > kMaxLogprob)
    return error(Code::kInvalidArgument, "logprobs: {}, want 0..{}", request.n_logprob, kMaxLogprob);
  for (const backend::TokenBias& bias : request.bias) {
    if (bias.token < 0 || bias.token >= n_vocab)
      return error(Code::kInvalidArgument, "logit bias: token id {}, want 0..{}", bias.token, n_vocab - 1);
    RETURN_IF_ERROR(check_finite("logit bias", bias.bias));
  }
  return {};
}

// A stop string that begins inside a code point could cut one in two.
bool begins_inside_code_point(const std::string& text) { return (static_cast<unsigned char>(text[0]) & 0xC0U) == 0x80; }

Status check_stop(const Request& request, bool has_text) {
  if (request.stop.empty()) return {};
  if (!has_text)
    return error(Code::kInvalidArgument, "stop strings: {}, want none without a tokenizer", request.stop.size());
  if (request.stop.size() > kMaxStop)
    return error(Code::kLimit, "stop strings: {}, want at most {}", request.stop.size(), kMaxStop);
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return error(Code::kInvalidArgument, "stop string: empty, want at least one character");
    if (stop.size() > kMaxStopBytes)
      return error(Code::kLimit, "stop string: {} bytes, want at most {}", stop.size(), kMaxStopBytes);
    if (begins_inside_code_point(stop))
      return error(Code::kInvalidArgument, "stop string: begins with byte {:#04x}, want UTF-8",
                   static_cast<unsigned char>(stop[0]));
  }
  return {};
}

}  // namespace

double Timings::prompt_tok_s() const { return prompt_ms > 0 ? 1000.0 * (n_prompt - n_cached) / prompt_ms : 0.0; }

double Timings::decode_tok_s() const {
  return n_output > 1 && decode_ms > 0 ? 1000.0 * (n_output - 1) / decode_ms : 0.0;
}

Status check_request(const Request& request, const RequestLimits& limits) {
  RETURN_IF_ERROR(check_prompt(request, limits));
  RETURN_IF_ERROR(check_sampling(request.sampling));
  RETURN_IF_ERROR(check_extras(request, limits.n_vocab));
  const size_t n_word = (static_cast<size_t>(limits.n_vocab) + 31) / 32;
  if (request.grammar && (!limits.has_text || request.grammar->vocabulary().n_word() != n_word))
    return error(Code::kInvalidArgument, "grammar: of another vocabulary, want the model's");
  return check_stop(request, limits.has_text);
}

}  // namespace tercet::engine
