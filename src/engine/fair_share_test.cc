#include "engine/fair_share.h"

#include <gtest/gtest.h>

#include "engine/engine_test_support.h"

namespace tercet::engine {
namespace {

TEST(FairShare, WhoComesBackHasSavedUpNothing) {
  FairShare share;
  share.enter("a");
  share.charge("a", 100, 0);
  share.enter("b");
  EXPECT_EQ(share.rank("b"), 100);
  share.charge("b", 50, 0);
  share.leave("a");
  share.enter("a");
  EXPECT_EQ(share.rank("a"), 150) << "the least of those who are there";
  share.charge("a", 1000, 0);
  share.leave("a");
  share.enter("a");
  EXPECT_EQ(share.rank("a"), 1150) << "a debt stays while others are there";
  share.leave("a");
  share.leave("b");
  share.enter("a");
  EXPECT_EQ(share.rank("a"), 0);
}

TEST(FairShare, WhatIsPromisedCountsButLiftsNobody) {
  FairShare share;
  share.enter("a");
  share.promise("a", 100);
  share.charge("a", 10, 10);
  EXPECT_EQ(share.rank("a"), 100);
  share.enter("b");
  EXPECT_EQ(share.rank("b"), 10);
  share.promise("a", -90);
  EXPECT_EQ(share.rank("a"), 10);
}

// In the order in which they end, on an engine that runs one at a time.
std::vector<std::string> order_of_ends(const std::vector<std::pair<std::string, int>>& requests) {
  FakeBackend backend({.max_sequence = 1});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  std::vector<std::string> ends;
  for (const auto& [owner, n_prompt] : requests) {
    Request request = simple(count_up(n_prompt), 2);
    request.owner = owner;
    const auto id = engine.add(request, {.on_finish = [&ends, owner](const Finished&) { ends.push_back(owner); }});
    EXPECT_TRUE(id);
  }
  EXPECT_TRUE(engine.run_until_idle());
  expect_clean(backend, engine);
  return ends;
}

TEST(FairShare, OneWhoAsksLittleIsNotHeldUpByOneWhoAsksMuch) {
  EXPECT_EQ(order_of_ends({{"a", 9}, {"a", 9}, {"a", 9}, {"a", 9}, {"b", 9}, {"b", 9}}),
            (std::vector<std::string>{"a", "b", "a", "b", "a", "a"}));
  // By tokens, not by requests.
  EXPECT_EQ(order_of_ends({{"a", 40}, {"a", 40}, {"b", 9}, {"b", 9}, {"b", 9}}),
            (std::vector<std::string>{"a", "b", "b", "b", "a"}));
  EXPECT_EQ(order_of_ends({{"", 9}, {"", 1}, {"", 5}}), (std::vector<std::string>{"", "", ""}));
}

// Two owners' prompts share the rows that answers leave, whoever came first.
TEST(FairShare, ALongPromptsOwnerDoesNotHoldUpAnothersPrompt) {
  FakeBackend backend({.max_row = 8, .n_page = 200});
  Engine engine(backend, nullptr, {.n_vocab = 1000});
  Request request = simple(count_up(150), 1);
  request.owner = std::string("a");
  Answer first, second, other;
  ASSERT_TRUE(engine.add(request, into(first)));
  ASSERT_TRUE(engine.add(request, into(second)));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine.step());
  request = simple(count_up(12), 1);
  request.owner = std::string("b");
  ASSERT_TRUE(engine.add(request, into(other)));
  int n_step = 0;
  for (; !other.reason; ++n_step) ASSERT_TRUE(engine.step());
  EXPECT_LE(n_step, 5);
  EXPECT_FALSE(first.reason);
  ASSERT_TRUE(engine.run_until_idle());
  expect_clean(backend, engine);
}

// Much is asked by one and little by another, always again, and pages are few: everybody comes to his end.
TEST(FairShare, NobodyStarves) {
  FakeBackend backend({.max_row = 16, .max_sequence = 3, .page_size = 4, .n_page = 16});
  Engine engine(backend, nullptr, {.n_vocab = 1000, .n_ctx = 60, .prefix_cache = true});
  Answer large;
  Request request = simple(count_up(40), 15);
  request.owner = std::string("large");
  const std::vector<TokenId> want = alone(request, 1000, 60);
  std::vector<Answer> small(60);
  size_t n_added = 0;
  while (!large.reason && n_added < small.size()) {
    if (n_added == 2) {
      ASSERT_TRUE(engine.add(request, into(large)));
    }
    Request one = simple(count_up(1 + static_cast<int>(n_added % 9)), 6);
    one.owner = n_added % 2 == 0 ? "small" : "smaller";
    ASSERT_TRUE(engine.add(one, into(small[n_added++])));
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(engine.step());
  }
  EXPECT_TRUE(large.reason) << "it waited for others without an end";
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(large.tokens, want);
  expect_clean(backend, engine);
}

}  // namespace
}  // namespace tercet::engine
