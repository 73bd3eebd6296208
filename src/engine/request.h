// Owns what the engine is asked and what it answers: requests, events, and the numbers at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/batch.h"
#include "base/result.h"
#include "grammar/grammar.h"

namespace tercet::engine {

using backend::TokenId;
using RequestId = uint64_t;  // from 1

struct Request {
  std::vector<TokenId> prompt;
  // Tokens to generate at most. Nothing: to the end of the context. 0: the prompt is computed and that is all.
  std::optional<int> max_output;
  backend::Sampling sampling;
  std::vector<backend::TokenBias> bias;
  int n_logprob = 0;              // most probable tokens to report with each token, 0..kMaxLogprob
  std::vector<std::string> stop;  // texts that end the answer and are not part of it
  bool ignore_eos = false;        // end tokens come out like any other and do not stop
  std::string owner;              // whose it is: nobody is told, by speed or figures, what another owner asked
  bool uses_cache = true;         // of the prefix cache, if the engine has one
  double time_limit_ms = 0;       // from add(); what there is then is the answer. 0: none
  // What the answer has to be, of the engine's vocabulary; null: anything. It ends where nothing more may come, and an end
  // token ends it whatever ignore_eos says.
  std::shared_ptr<const grammar::Grammar> grammar = {};
};

inline constexpr int kMaxLogprob = 1000;
inline constexpr size_t kMaxStop = 64;         // stop strings a request
inline constexpr size_t kMaxStopBytes = 1024;  // in each

enum class FinishReason { kStop, kLength, kTimeout, kCancelled, kError };
constexpr std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kTimeout: return "timeout";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
  }
  return "unknown";
}

// One generated token. An end token that stopped the answer is none: it is only in Finished::stop_token.
struct TokenEvent {
  int index;  // in the output, from 0
  TokenId token;
  // The text that this token set free: whole code points, without what may be the beginning of a stop string. Often
  // empty.
  std::string_view text;
  float logprob;                               // of the raw logits; 0 unless n_logprob > 0
  std::span<const backend::TokenLogprob> top;  // n_logprob of them
};

// Wall-clock time in milliseconds.
struct Timings {
  int n_prompt = 0;
  int n_cached = 0;             // of the prompt, that the prefix cache had
  int n_output = 0;             // without the end token that stopped it
  double queue_ms = 0;          // from add() to the first rows that were sent
  double prompt_ms = 0;         // from there to the first token, or to the prompt's end if none was wanted
  double first_token_ms = 0;    // from add() to the first token; 0 if there was none
  double decode_ms = 0;         // from the first token to the end
  double prompt_tok_s() const;  // of those that were computed
  double decode_tok_s() const;  // of all tokens but the first; 0 if there are less than two
};

// How much of a prompt is there.
struct Progress {
  int n_done = 0;  // with what was cached
  int n_prompt = 0;
  int n_cached = 0;
  double ms = 0;  // since the first rows were sent
};

struct Finished {
  FinishReason reason = FinishReason::kError;
  std::string_view text = {};              // what was still held back and belongs to the answer
  std::optional<TokenId> stop_token = {};  // the end token that stopped it
  std::string_view stop_string = {};       // the stop string that stopped it, or empty
  std::optional<Error> error = {};         // with kError, and with kTimeout where there is no token
  Timings timings = {};
};

// Called from the thread that calls Engine::step(). They may call add() and cancel(), and nothing else of the engine.
// Each may be empty. on_finish comes last and exactly once.
struct Callbacks {
  std::function<void(const TokenEvent&)> on_token = {};
  std::function<void(const Progress&)> on_progress = {};  // after each step that took some of the prompt
  std::function<void(const Finished&)> on_finish = {};
};

// What a request must fit.
struct RequestLimits {
  int n_vocab = 0;
  int n_ctx = 0;          // prompt and output together
  bool has_text = false;  // there is a tokenizer, so that stop strings can be seen
};

// Errors: kInvalidArgument, and kLimit for too many or too long stop strings.
Status check_request(const Request& request, const RequestLimits& limits);

}  // namespace tercet::engine
