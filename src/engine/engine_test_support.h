// Owns what the engine's tests share: answers as they come, requests, and what must hold when all is done.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_backend.h"

namespace tercet::engine {

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<std::pair<int, int>> progress;
  std::optional<FinishReason> reason;
  std::optional<Error> error;
  Timings timings;
  int n_finish = 0;
};

inline Callbacks into(Answer& answer) {
  return {.on_token =
              [&answer](const TokenEvent& event) {
                EXPECT_EQ(event.index, static_cast<int>(answer.tokens.size()));
                EXPECT_FALSE(answer.reason) << "a token after the end";
                EXPECT_TRUE(event.text.empty()) << "text without a tokenizer";
                answer.tokens.push_back(event.token);
              },
          .on_progress = [&answer](const Progress& p) { answer.progress.emplace_back(p.n_done, p.n_prompt); },
          .on_finish =
              [&answer](const Finished& finished) {
                ++answer.n_finish;
                answer.reason = finished.reason;
                answer.error = finished.error;
                answer.timings = finished.timings;
              }};
}

inline Request simple(std::vector<TokenId> prompt, int max_output) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_output = max_output;
  return request;
}

inline std::vector<TokenId> count_up(int n) {
  std::vector<TokenId> tokens(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) tokens[static_cast<size_t>(i)] = i % 100;
  return tokens;
}

inline void expect_clean(const FakeBackend& backend, const Engine& engine) {
  EXPECT_TRUE(backend.violations.empty())
      << backend.violations.size() << " violations, first: " << backend.violations.front();
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.n_page_free + stats.n_page_cached, backend.limits().kv.n_page) << "pages leaked";
  EXPECT_EQ(stats.n_active + stats.n_waiting + stats.n_in_flight, 0);
}

}  // namespace tercet::engine
