#include "engine/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "engine/engine_test_support.h"

namespace tercet::engine {
namespace {

TEST(Engine, OneSequenceGoesOnWithTwoStepsInFlight) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  const Request request = simple({5, 6, 7}, 20);
  Answer answer;
  ASSERT_TRUE(engine.add(request, into(answer)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(answer.tokens, alone(request, 1000, engine.n_ctx()));
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(answer.n_finish, 1);
  EXPECT_EQ(backend.max_depth, 2U);
  EXPECT_EQ(backend.seen.size(), 20U) << "a step more than there are tokens was spent";
  EXPECT_EQ(answer.timings.n_prompt, 3);
  EXPECT_EQ(answer.timings.n_output, 20);
  EXPECT_LE(answer.timings.queue_ms, answer.timings.first_token_ms);
  expect_clean(backend, engine);
}

TEST(Engine, LongPromptsGoInPiecesAndTellTheirProgress) {
  FakeBackend backend({.max_row = 10});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  const Request request = simple(count_up(35), 3);
  Answer answer;
  ASSERT_TRUE(engine.add(request, into(answer)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(answer.tokens, alone(request, 1000, engine.n_ctx()));
  EXPECT_EQ(answer.progress, (std::vector<std::pair<int, int>>{{10, 35}, {20, 35}, {30, 35}, {35, 35}}));
  expect_clean(backend, engine);
}

TEST(Engine, NoOutputWantedComputesThePrompt) {
  FakeBackend backend({.max_row = 10});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  Answer answer;
  ASSERT_TRUE(engine.add(simple(count_up(25), 0), into(answer)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_TRUE(answer.tokens.empty());
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(backend.seen.size(), 3U);
  for (const auto& step : backend.seen) EXPECT_FALSE(step.groups[0].draws);
  expect_clean(backend, engine);
}

TEST(Engine, TheContextEndsTheAnswer) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000, .n_ctx = 40});
  for (const int n_prompt : {1, 39, 40}) {
    SCOPED_TRACE(n_prompt);
    Request request = simple(count_up(n_prompt), 0);
    request.max_output.reset();
    Answer answer;
    ASSERT_TRUE(engine.add(request, into(answer)));
    ASSERT_TRUE(engine.run_until_idle());
    EXPECT_EQ(static_cast<int>(answer.tokens.size()), 40 - n_prompt);
    EXPECT_EQ(answer.tokens, alone(request, 1000, 40));
    EXPECT_EQ(answer.reason, FinishReason::kLength);
  }
  const auto over = engine.add(simple(count_up(41), 1), {});
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, Code::kInvalidArgument);
  EXPECT_EQ(over.error().message, "prompt: 41 tokens, want at most 40 (the context)");
  expect_clean(backend, engine);
}

TEST(Engine, DecodingSequencesGetARowInEveryStepOfALongPrompt) {
  FakeBackend backend({.max_row = 8, .n_page = 200});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::vector<Answer> answers(4);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine.add(simple({i}, 60), into(answers[static_cast<size_t>(i)])));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(engine.step());
  const size_t before = backend.seen.size();
  ASSERT_TRUE(engine.add(simple(count_up(100), 5), into(answers[3])));
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(engine.step());
  for (size_t i = before; i < backend.seen.size(); ++i) {
    const auto& groups = backend.seen[i].groups;
    ASSERT_EQ(groups.size(), 4U) << "step " << i;
    for (size_t g = 0; g < 3; ++g) EXPECT_EQ(groups[g].n_row, 1);
    EXPECT_EQ(groups[3].n_row, 5);
  }
  ASSERT_TRUE(engine.run_until_idle());
  expect_clean(backend, engine);
}

TEST(Engine, FirstComeFirstServed) {
  FakeBackend backend({.max_sequence = 1});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::vector<int> order;
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(engine.add(simple(count_up(i == 0 ? 50 : 1), 3),
                           {.on_finish = [&order, i](const Finished&) { order.push_back(i); }}));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
  expect_clean(backend, engine);
}

TEST(Engine, ALargePromptIsNotOvertakenByThoseBehindIt) {
  FakeBackend backend({.page_size = 4, .n_page = 10});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::vector<Answer> answers(3);
  ASSERT_TRUE(engine.add(simple(count_up(16), 4), into(answers[0])));
  ASSERT_TRUE(engine.add(simple(count_up(32), 1), into(answers[1])));
  ASSERT_TRUE(engine.add(simple({1}, 1), into(answers[2])));
  while (!answers[1].reason) {
    ASSERT_TRUE(engine.step());
    EXPECT_FALSE(answers[2].reason && !answers[0].reason);
  }
  ASSERT_TRUE(engine.run_until_idle());
  expect_clean(backend, engine);
}

TEST(Engine, CancelledRequestsEndAtOnceAndOthersDoNotNotice) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  const Request request = simple({1, 2}, 30);
  Answer a, b, c;
  const auto id_a = engine.add(simple({9}, 30), into(a));
  ASSERT_TRUE(engine.add(request, into(b)));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(engine.step());
  const auto id_c = engine.add(simple({3}, 30), into(c));
  engine.cancel(*id_a);
  engine.cancel(*id_c);
  engine.cancel(12345);
  ASSERT_TRUE(engine.step());
  EXPECT_EQ(a.reason, FinishReason::kCancelled);
  EXPECT_EQ(c.reason, FinishReason::kCancelled);
  EXPECT_TRUE(c.tokens.empty());
  ASSERT_TRUE(engine.run_until_idle());
  engine.cancel(*id_a);
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(a.n_finish, 1);
  EXPECT_EQ(b.tokens, alone(request, 1000, engine.n_ctx()));
  expect_clean(backend, engine);
}

// By the time that the one slot is free, 30 steps of 1 ms have passed.
TEST(Engine, TimeIsOverInTheQueueAndUnderWay) {
  FakeBackend backend({.max_row = 10, .page_size = 4, .n_page = 200});
  backend.on_wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  Engine engine(backend, nullptr, {.n_vocab = 1000, .max_active = 1});
  Answer first, queued, last;
  ASSERT_TRUE(engine.add(simple({5, 6, 7}, 30), into(first)));
  Request request = simple({8, 9}, 5);
  request.time_limit_ms = 1;
  ASSERT_TRUE(engine.add(request, into(queued)));
  ASSERT_TRUE(engine.add(simple({8, 9}, 5), into(last)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(first.tokens.size(), 30U);
  EXPECT_EQ(queued.reason, FinishReason::kTimeout);
  ASSERT_TRUE(queued.error);
  EXPECT_TRUE(queued.error->message.find(" s and no token yet") != std::string::npos) << queued.error->message;
  EXPECT_EQ(last.tokens, alone(simple({8, 9}, 5), 1000, engine.n_ctx()));

  // Under way: whenever it is, there is an error if and only if there is no token, and what there is is right.
  request.max_output = 500;
  request.time_limit_ms = 100;
  Answer late;
  ASSERT_TRUE(engine.add(request, into(late)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(late.reason, FinishReason::kTimeout);
  EXPECT_EQ(late.error.has_value(), late.tokens.empty());
  EXPECT_LT(late.tokens.size(), 101U);
  std::vector<TokenId> whole = alone(request, 1000, engine.n_ctx());
  whole.resize(late.tokens.size());
  EXPECT_EQ(late.tokens, whole);
  expect_clean(backend, engine);
}

TEST(Engine, ACallbackMayCancelAndAdd) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  Answer second;
  RequestId id = 0;
  int n_token = 0;
  const auto added = engine.add(simple({1}, 100), {.on_token =
                                                       [&](const TokenEvent&) {
                                                         if (++n_token == 3) engine.cancel(id);
                                                       },
                                                   .on_finish =
                                                       [&](const Finished& finished) {
                                                         EXPECT_EQ(finished.reason, FinishReason::kCancelled);
                                                         EXPECT_TRUE(engine.add(simple({2}, 2), into(second)));
                                                       }});
  id = *added;
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_LE(n_token, 4);
  EXPECT_EQ(second.tokens.size(), 2U);
  expect_clean(backend, engine);
}

TEST(Engine, PassesLogprobsThrough) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  Request request = simple({1}, 2);
  request.n_logprob = 3;
  int n_event = 0;
  ASSERT_TRUE(engine.add(request, {.on_token = [&](const TokenEvent& event) {
                           ++n_event;
                           EXPECT_EQ(event.logprob, -0.5F);
                           ASSERT_EQ(event.top.size(), 3U);
                           EXPECT_EQ(event.top[2].token, 2);
                         }}));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(n_event, 2);
}

// A pool too small for what is asked: the young give way and are computed again, and no text changes.
TEST(Engine, PreemptionChangesNoText) {
  FakeBackend backend({.max_row = 16, .page_size = 4, .n_page = 12});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::vector<Request> requests;
  std::vector<Answer> answers(5);
  for (int i = 0; i < 5; ++i) {
    requests.push_back(simple({i, i + 1, i + 2}, 40));
    requests.back().sampling.repeat_penalty = i % 2 == 0 ? 1.1F : 1.0F;
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < 5; ++i) {
    Callbacks callbacks = into(answers[i]);
    callbacks.on_finish = [&order, i](const Finished&) { order.push_back(i); };
    ASSERT_TRUE(engine.add(requests[i], callbacks));
  }
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_GT(engine.stats().n_preempted, 0);
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4})) << "the young have to give way, not the old";
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(answers[i].tokens, alone(requests[i], 1000, engine.n_ctx())) << i;
  expect_clean(backend, engine);
}

TEST(Engine, PagesOnTheirWayBackAreWaitedFor) {
  FakeBackend backend({.page_size = 4, .n_page = 4});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  const Request request = simple({2}, 14);
  Answer a, b;
  const auto id = engine.add(simple({1}, 14), into(a));
  ASSERT_TRUE(engine.add(request, into(b)));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(engine.step());  // two pages each: the pool is empty, and a step is in flight
  EXPECT_EQ(engine.stats().n_page_free, 0);
  engine.cancel(*id);
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(engine.stats().n_preempted, 0);
  EXPECT_EQ(b.tokens, alone(request, 1000, engine.n_ctx()));
  expect_clean(backend, engine);
}

// Twenty sequences that join and leave as chance has it, at many sizes of steps and pools.
void join_and_leave(uint32_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  FakeBackend backend({.n_vocab = 50,
                       .max_row = 3 + below(20),
                       .max_sequence = 1 + below(8),
                       .page_size = 1 + below(7),
                       .n_page = 20 + below(60)});
  const int n_ctx = 20;
  Engine engine(backend, nullptr, {.n_vocab = 50, .n_ctx = n_ctx});
  constexpr size_t kSequences = 20;
  std::vector<Request> requests(kSequences);
  std::vector<Answer> answers(kSequences);
  std::vector<RequestId> ids(kSequences);
  std::vector<bool> cancelled(kSequences);
  size_t n_added = 0;
  for (bool more = true; more || n_added < kSequences;) {
    while (n_added < kSequences && below(3) == 0) {
      Request& request = requests[n_added];
      request.prompt.resize(static_cast<size_t>(below(n_ctx)) + 1);
      for (TokenId& token : request.prompt) token = below(50);
      if (below(4) != 0) request.max_output = below(15);
      request.sampling.seed = random();
      request.sampling.repeat_penalty = below(2) == 0 ? 1.0F : 1.1F;
      if (below(3) == 0) request.bias.push_back({below(50), 1.0F});
      const auto id = engine.add(request, into(answers[n_added]));
      ASSERT_TRUE(id);
      ids[n_added++] = *id;
    }
    if (n_added > 0 && below(12) == 0) {
      const auto victim = static_cast<size_t>(below(static_cast<int>(n_added)));
      cancelled[victim] = cancelled[victim] || !answers[victim].reason;
      engine.cancel(ids[victim]);
    }
    const auto stepped = engine.step();
    ASSERT_TRUE(stepped);
    more = *stepped;
  }
  for (size_t i = 0; i < kSequences; ++i) {
    SCOPED_TRACE(testing::Message() << "sequence " << i);
    std::vector<TokenId> want = alone(requests[i], 50, n_ctx);
    EXPECT_EQ(answers[i].n_finish, 1);
    if (answers[i].reason == FinishReason::kCancelled) {
      EXPECT_TRUE(cancelled[i]);
      ASSERT_LE(answers[i].tokens.size(), want.size());
      want.resize(answers[i].tokens.size());
    } else {
      EXPECT_EQ(answers[i].reason, FinishReason::kLength);
    }
    EXPECT_EQ(answers[i].tokens, want);
  }
  expect_clean(backend, engine);
}

TEST(Engine, TwentySequencesJoinAndLeave) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    join_and_leave(seed);
    if (HasFailure()) return;
  }
}

TEST(Engine, AFailedStepEndsEveryRequestWithItsError) {
  for (const bool at_submit : {false, true}) {
    for (const int step : {0, 1, 5}) {
      SCOPED_TRACE(testing::Message() << (at_submit ? "submit " : "wait ") << step);
      FakeBackend backend({.max_sequence = 2});
      (at_submit ? backend.fail_submit : backend.fail_wait) = step;
      Engine engine(backend, nullptr, {.n_vocab = 1000});
      std::vector<Answer> answers(4);
      for (Answer& answer : answers) ASSERT_TRUE(engine.add(simple({1, 2, 3}, 50), into(answer)));
      const Status status = engine.run_until_idle();
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, Code::kDevice);
      for (const Answer& answer : answers) {
        EXPECT_EQ(answer.n_finish, 1);
        EXPECT_EQ(answer.reason, FinishReason::kError);
        ASSERT_TRUE(answer.error);
        EXPECT_EQ(answer.error->message, status.error().message);
      }
      EXPECT_FALSE(engine.add(simple({1}, 1), {}));
      EXPECT_FALSE(engine.step());
      expect_clean(backend, engine);
    }
  }
}

TEST(Engine, AnEngineMayGoWhileStepsAreInFlight) {
  FakeBackend backend({});
  Answer answer;
  {
    Engine engine(backend, nullptr, {.n_vocab = 1000});
    ASSERT_TRUE(engine.add(simple({1}, 50), into(answer)));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine.step());
  }
  EXPECT_FALSE(answer.reason);
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  Answer next;
  ASSERT_TRUE(engine.add(simple({1}, 5), into(next)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(next.tokens.size(), 5U);
  expect_clean(backend, engine);
}

TEST(Engine, NothingToDoIsSaidAtOnce) {
  FakeBackend backend({});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  const auto more = engine.step();
  ASSERT_TRUE(more);
  EXPECT_FALSE(*more);
  EXPECT_FALSE(engine.wait_for_work(std::chrono::milliseconds(0)));
  ASSERT_TRUE(engine.add(simple({1}, 5), {}));
  EXPECT_TRUE(engine.wait_for_work(std::chrono::milliseconds(0)));
  ASSERT_TRUE(engine.step());
  EXPECT_TRUE(engine.wait_for_work(std::chrono::milliseconds(0)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_FALSE(engine.wait_for_work(std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace tercet::engine
