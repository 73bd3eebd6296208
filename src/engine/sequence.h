// Owns what the engine knows of one request on its way: its tokens, its text, and its place in the schedule.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/batch.h"
#include "base/clock.h"
#include "engine/request.h"
#include "engine/text_stream.h"
#include "grammar/matcher.h"

namespace tercet::engine {

// How often a sequence has said what, as backend::Output::counts wants it.
class TokenCounts {
 public:
  void add_prompt(TokenId token) { entry(token).in_prompt = true; }
  void add_output(TokenId token) { ++entry(token).n_output; }
  std::span<const backend::TokenCount> all() const { return counts_; }

 private:
  backend::TokenCount& entry(TokenId token) {
    const auto [it, is_new] = index_.try_emplace(token, counts_.size());
    if (is_new) counts_.push_back({token, 0, false});
    return counts_[it->second];
  }
  std::vector<backend::TokenCount> counts_;
  std::unordered_map<TokenId, size_t> index_;
};

inline constexpr backend::PageCopy kNoCopy = {-1, -1};

// Where a sequence stands with the Scheduler, which alone writes this.
struct Placement {
  enum class State { kWaiting, kActive, kDone };
  State state = State::kWaiting;
  int slot = -1;
  std::vector<backend::PageId> pages;
  int n_submitted = 0;  // positions that are in the KV cache once the steps in flight are done
  int n_computed = 0;   // of them, those that are
  // Of a page that others have too, to be made before this sequence's first rows. The source is held until then.
  backend::PageCopy copy = kNoCopy;
  int n_kept = 0;           // pages that the prefix cache has of it while it runs
  int n_charged = 0;        // positions that its owner's share has paid for, in a former life too
  int n_promised = 0;       // and those that it will have to, of what was let in
  bool keeps_more = false;  // whether more may follow
  int n_drawing = 0;        // tokens that steps in flight will sample
  int n_in_flight = 0;      // steps in flight that have rows of it
};

struct Sequence {
  Sequence(RequestId its_id, Request its_request, Callbacks its_callbacks, const tokenizer::Tokenizer* tokenizer,
           int n_ctx)
      : id(its_id),
        request(std::move(its_request)),
        callbacks(std::move(its_callbacks)),
        tokens(std::move(request.prompt)),
        n_prompt(static_cast<int>(tokens.size())),
        max_output(std::min(request.max_output.value_or(n_ctx), n_ctx - n_prompt)),
        text(tokenizer, request.stop) {
    if (request.grammar) matcher.emplace(request.grammar);
    if (!uses_counts()) return;
    for (const TokenId token : tokens) counts.add_prompt(token);
  }

  int n_known() const { return static_cast<int>(tokens.size()); }
  int n_output() const { return n_known() - n_prompt; }
  bool uses_counts() const {
    const backend::Sampling& s = request.sampling;
    return s.repeat_penalty != 1.0F || s.presence_penalty != 0.0F || s.frequency_penalty != 0.0F;
  }

  // Rows that could be submitted now: positions whose token is known or is being sampled by a step in flight, and that
  // are needed for a token still to be sampled.
  int n_ready() const {
    // What may come next is known only when the last token is: a step of its own for each, while the others go on.
    if (matcher && place.n_drawing > 0) return 0;
    const int n_token = n_known() + place.n_drawing;
    if (max_output > 0 && n_token - n_prompt >= max_output) return 0;
    return n_token - place.n_submitted;
  }

  RequestId id;
  Request request;
  Callbacks callbacks;
  std::vector<TokenId> tokens;  // the prompt, then the output as far as it is known
  int n_prompt;
  int max_output;  // what the request and the context allow
  TextStream text;
  TokenCounts counts;                       // empty unless a penalty is in effect
  std::optional<grammar::Matcher> matcher;  // where the request has a grammar
  Placement place;
  // Prompt tokens that the prefix cache had when it was first let in.
  std::optional<int> n_cached;

  Stopwatch clock;  // since add()
  std::optional<double> start_ms, prompt_done_ms, first_token_ms;
};

}  // namespace tercet::engine
