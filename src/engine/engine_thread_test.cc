#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "engine/engine.h"
#include "engine/fake_backend.h"

namespace tercet::engine {
namespace {

// Requests come and are cancelled from other threads while one thread steps.
TEST(EngineThreads, AddAndCancelFromAnywhere) {
  constexpr int kThreads = 3, kRequests = 60;
  FakeBackend backend({.max_sequence = 4, .n_page = 40});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::atomic<int> n_finish = 0, n_cancelled = 0;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < kRequests; ++i) {
        Request request;
        request.prompt = {static_cast<TokenId>(random() % 1000), 5};
        request.max_output = static_cast<int>(random() % 20);
        const auto want = alone(request, 1000, engine.n_ctx());
        auto tokens = std::make_shared<std::vector<TokenId>>();
        const auto id = engine.add(request, {.on_token = [tokens](const TokenEvent& e) { tokens->push_back(e.token); },
                                             .on_finish =
                                                 [&, want, tokens](const Finished& finished) {
                                                   ++n_finish;
                                                   if (finished.reason == FinishReason::kCancelled) {
                                                     ++n_cancelled;
                                                   } else {
                                                     EXPECT_EQ(*tokens, want);
                                                   }
                                                 }});
        ASSERT_TRUE(id);
        if (random() % 3 == 0) engine.cancel(*id);
      }
    });
  }
  while (n_finish < kThreads * kRequests) {
    engine.wait_for_work(std::chrono::milliseconds(100));
    ASSERT_TRUE(engine.step());
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(n_finish, kThreads * kRequests);
  EXPECT_EQ(engine.stats().n_page_free, 40);
  EXPECT_TRUE(backend.violations.empty());
}

}  // namespace
}  // namespace tercet::engine
