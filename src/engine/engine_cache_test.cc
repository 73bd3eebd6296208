// The engine with its prefix cache: less is computed, and no text changes.
#include <algorithm>
#include <random>

#include "base/sanitized.h"
#include "engine/engine_test_support.h"

namespace tercet::engine {
namespace {

constexpr int kVocab = 1000;

EngineOptions cached(int n_ctx = 0) { return {.n_vocab = kVocab, .n_ctx = n_ctx, .prefix_cache = true}; }

int n_row(const FakeBackend& backend) {
  int n = 0;
  for (const auto& step : backend.seen)
    for (const auto& group : step.groups) n += group.n_row;
  return n;
}

// A request on an engine that is otherwise idle.
Answer ask(Engine& engine, const Request& request) {
  Answer answer;
  EXPECT_TRUE(engine.add(request, into(answer)));
  EXPECT_TRUE(engine.run_until_idle());
  EXPECT_EQ(answer.tokens, alone(request, kVocab, engine.n_ctx()));
  return answer;
}

TEST(EngineCache, TheNextTurnComputesOnlyWhatIsNew) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, cached());
  const Answer first = ask(engine, simple(count_up(30), 9));
  EXPECT_EQ(first.timings.n_cached, 0);
  std::vector<TokenId> conversation = count_up(30);
  conversation.insert(conversation.end(), first.tokens.begin(), first.tokens.end());
  conversation.insert(conversation.end(), {7, 8, 9});
  const int before = n_row(backend);
  const Answer second = ask(engine, simple(conversation, 1));
  // The last token of an answer is drawn, and never computed.
  EXPECT_EQ(second.timings.n_cached, 38);
  EXPECT_EQ(n_row(backend) - before, 4);
  EXPECT_EQ(second.progress, (std::vector<std::pair<int, int>>{{42, 42}}));
  EXPECT_EQ(backend.seen.back().copies.size(), 1U) << "38 tokens end within a page of 4";
  expect_clean(backend, engine);
}

TEST(EngineCache, TheSameAgainComputesOneToken) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, cached());
  for (const int n_prompt : {1, 3, 4, 5, 17}) {
    const Request request = simple(count_up(n_prompt), 6);
    ask(engine, request);
    const Answer again = ask(engine, request);
    EXPECT_EQ(again.timings.n_cached, n_prompt - 1);
  }
  Request none = simple(count_up(17), 0);
  EXPECT_EQ(ask(engine, none).timings.n_cached, 16);
  none.uses_cache = false;
  EXPECT_EQ(ask(engine, none).timings.n_cached, 0);
  none.uses_cache = true;
  none.owner = "another";
  EXPECT_EQ(ask(engine, none).timings.n_cached, 0) << "nobody learns what others have asked";
  EXPECT_EQ(ask(engine, none).timings.n_cached, 16);
  expect_clean(backend, engine);
}

TEST(EngineCache, WithoutItNothingIsKept) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = kVocab});
  const Request request = simple(count_up(20), 3);
  ask(engine, request);
  EXPECT_EQ(ask(engine, request).timings.n_cached, 0);
  EXPECT_EQ(engine.stats().n_page_free, backend.limits().kv.n_page);
}

// The choices of a request come together: the first computes the prompt, the others wait for its whole pages.
TEST(EngineCache, ThoseWhoBeginAlikeComputeTheirPromptOnce) {
  constexpr int kChoices = 6;
  FakeBackend backend({.max_row = 200, .max_sequence = kChoices + 1, .page_size = 4, .n_page = 64});
  Engine engine(backend, nullptr, cached());
  const Request request = simple(count_up(23), 5);
  std::vector<Answer> answers(kChoices);
  for (Answer& answer : answers) ASSERT_TRUE(engine.add(request, into(answer)));
  Answer other;  // of another owner, who shares nothing and waits for nobody
  Request others = request;
  others.owner = "another";
  ASSERT_TRUE(engine.add(others, into(other)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(other.timings.n_cached, 0);
  for (int i = 0; i < kChoices; ++i) {
    const Answer& answer = answers[static_cast<size_t>(i)];
    EXPECT_EQ(answer.timings.n_cached, i == 0 ? 0 : 20);
    EXPECT_EQ(answer.tokens, alone(request, kVocab, engine.n_ctx()));
  }
  // Two whole prompts, what is not a whole page for the rest, and all tokens but the last of each answer.
  EXPECT_EQ(n_row(backend), 2 * 23 + (kChoices - 1) * 3 + (kChoices + 1) * 4);
  expect_clean(backend, engine);
}

// A prompt's whole pages are there for others as soon as they have been computed, and no sooner.
TEST(EngineCache, APromptIsSharedWhileItsAnswerIsStillGoingOn) {
  FakeBackend backend({.max_row = 32});
  Engine engine(backend, nullptr, cached());
  const Request request = simple(count_up(19), 40);
  Answer first, second, third;
  ASSERT_TRUE(engine.add(request, into(first)));
  ASSERT_TRUE(engine.step());
  ASSERT_TRUE(engine.add(request, into(second)));  // nothing of the first has been waited for
  while (first.tokens.empty()) ASSERT_TRUE(engine.step());
  ASSERT_TRUE(engine.add(request, into(third)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(second.timings.n_cached, 16) << "it waits for what the first is computing";
  EXPECT_EQ(third.timings.n_cached, 16) << "the last page still changes";
  for (const Answer* answer : {&first, &second, &third})
    EXPECT_EQ(answer->tokens, alone(request, kVocab, engine.n_ctx()));
  expect_clean(backend, engine);
}

TEST(EngineCache, WhatWasNotUsedForLongestGoesWhenPagesRunOut) {
  FakeBackend backend({.page_size = 4, .n_page = 12});
  Engine engine(backend, nullptr, cached());
  const auto prompt = [](int i) {
    const std::vector<TokenId> tokens(15, 100 + i);
    return simple(tokens, 1);
  };
  for (const int i : {0, 1, 2}) ask(engine, prompt(i));  // four pages each
  EXPECT_EQ(engine.stats().n_page_free, 0);
  EXPECT_EQ(engine.stats().n_page_cached, 12);
  EXPECT_EQ(ask(engine, prompt(0)).timings.n_cached, 14);
  ask(engine, prompt(3));
  EXPECT_EQ(engine.stats().n_preempted, 0);
  EXPECT_GT(engine.stats().n_page_evicted, 0);
  EXPECT_EQ(ask(engine, prompt(0)).timings.n_cached, 14);
  EXPECT_LT(ask(engine, prompt(1)).timings.n_cached, 14);
  expect_clean(backend, engine);
}

// A sequence that fills all pages, of which each was cached, and whose own copy would be one too many.
TEST(EngineCache, ACopyIsLeftOutWhereThereIsNoPageForIt) {
  FakeBackend backend({.page_size = 4, .n_page = 5});
  Engine engine(backend, nullptr, cached());
  const Request request = simple(count_up(18), 2);
  ask(engine, request);
  EXPECT_EQ(ask(engine, request).timings.n_cached, 16);
  expect_clean(backend, engine);
}

TEST(EngineCache, AFailedStepLeavesNothingBehind) {
  FakeBackend backend({});
  backend.fail_wait = 1;
  Engine engine(backend, nullptr, cached());
  Answer answer;
  ASSERT_TRUE(engine.add(simple(count_up(40), 5), into(answer)));
  EXPECT_FALSE(engine.run_until_idle());
  EXPECT_EQ(answer.reason, FinishReason::kError);
  EXPECT_EQ(engine.stats().n_page_free, backend.limits().kv.n_page);
}

struct Walk {
  int64_t n_cached = 0, n_evicted = 0;
  int n_preempted = 0, n_copy = 0;
};

// Requests that begin as earlier ones did, or go on from their answers, on a pool that is too small for them; some are
// cancelled, and some end where the model would end, with a step in flight.
void converse(uint32_t seed, Walk& walk) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  const int page_size = 1 + below(7);
  constexpr int kContext = 40;
  FakeBackend backend({.n_vocab = 50,
                       .max_row = 3 + below(20),
                       .max_sequence = 1 + below(6),
                       .page_size = page_size,
                       .n_page = (kContext + page_size - 1) / page_size + below(20)});
  Engine engine(backend, nullptr, {.n_vocab = 50, .n_ctx = kContext, .prefix_cache = true});
  constexpr size_t kSequences = 24;
  std::vector<Request> requests(kSequences);
  std::vector<Answer> answers(kSequences);
  std::vector<RequestId> ids(kSequences);
  size_t n_added = 0;
  const auto begin = [&](Request& request) {
    if (n_added > 0 && below(4) != 0) {
      const auto before = static_cast<size_t>(below(static_cast<int>(n_added)));
      request.prompt = requests[before].prompt;
      if (below(3) != 0)
        request.prompt.insert(request.prompt.end(), answers[before].tokens.begin(), answers[before].tokens.end());
      if (below(3) == 0) request.prompt.resize(static_cast<size_t>(below(static_cast<int>(request.prompt.size()))) + 1);
    }
    for (int n = below(6); n > 0 || request.prompt.empty(); --n) request.prompt.push_back(below(50));
    if (request.prompt.size() > kContext) request.prompt.resize(kContext);
    if (below(4) != 0) request.max_output = below(15);
    request.sampling.seed = below(3);
    request.sampling.repeat_penalty = below(3) == 0 ? 1.1F : 1.0F;
    request.owner = below(6) == 0 ? "other" : "";
    request.uses_cache = below(8) != 0;
  };
  for (bool more = true; more || n_added < kSequences;) {
    while (n_added < kSequences && below(4) == 0) {
      begin(requests[n_added]);
      const auto id = engine.add(requests[n_added], into(answers[n_added]));
      ASSERT_TRUE(id) << id.error().message;
      ids[n_added++] = *id;
    }
    if (n_added > 0 && below(15) == 0) engine.cancel(ids[static_cast<size_t>(below(static_cast<int>(n_added)))]);
    const auto stepped = engine.step();
    ASSERT_TRUE(stepped);
    more = *stepped;
  }
  for (size_t i = 0; i < kSequences; ++i) {
    std::vector<TokenId> want = alone(requests[i], 50, kContext);
    if (answers[i].reason == FinishReason::kCancelled) want.resize(std::min(want.size(), answers[i].tokens.size()));
    EXPECT_EQ(answers[i].tokens, want) << "sequence " << i;
    EXPECT_EQ(answers[i].n_finish, 1);
    walk.n_cached += answers[i].timings.n_cached;
  }
  expect_clean(backend, engine);
  walk.n_preempted += engine.stats().n_preempted;
  walk.n_evicted += engine.stats().n_page_evicted;
  for (const auto& step : backend.seen) walk.n_copy += static_cast<int>(step.copies.size());
}

TEST(EngineCache, ConversationsOnAPoolThatIsTooSmall) {
  Walk walk;
  constexpr uint32_t kWalks = kSanitized ? 90 : 300;
  for (uint32_t seed = 0; seed < kWalks; ++seed) {
    converse(seed, walk);
    if (HasFailure()) return;
  }
  // The test would prove nothing if these were rare.
  EXPECT_GT(walk.n_cached, 30 * kWalks);
  EXPECT_GT(walk.n_evicted, 3 * kWalks);
  EXPECT_GT(walk.n_preempted, kWalks / 3);
  EXPECT_GT(walk.n_copy, 5 * kWalks / 3);
}

}  // namespace
}  // namespace tercet::engine
