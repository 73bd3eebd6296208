#include "backend/kv_pages.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tercet::backend {
namespace {

TEST(PagePool, HandsOutEachPageOnceInAFixedOrder) {
  PagePool pool(3);
  EXPECT_EQ(pool.n_free(), 3);
  EXPECT_EQ(pool.allocate(), 0);
  EXPECT_EQ(pool.allocate(), 1);
  EXPECT_EQ(pool.allocate(), 2);
  EXPECT_EQ(pool.allocate(), -1);
  EXPECT_EQ(pool.n_free(), 0);
}

TEST(PagePool, APageWithTwoOwnersIsFreeAfterTheSecondLetsGo) {
  PagePool pool(1);
  const PageId page = pool.allocate();
  pool.retain(page);
  EXPECT_EQ(pool.n_owner(page), 2);
  pool.release(page);
  EXPECT_EQ(pool.allocate(), -1);
  pool.release(page);
  EXPECT_EQ(pool.n_owner(page), 0);
  EXPECT_EQ(pool.allocate(), page);
}

TEST(PagePool, AnEmptyPoolHasNothing) {
  PagePool pool(0);
  EXPECT_EQ(pool.allocate(), -1);
}

TEST(PagePool, RandomWalkAgreesWithASimpleModel) {
  constexpr uint32_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  PagePool pool(17);
  std::map<PageId, int> owners;
  for (int i = 0; i < 20000; ++i) {
    const auto action = random() % 3;
    if (action == 0) {
      const PageId page = pool.allocate();
      EXPECT_EQ(page == -1, owners.size() == 17);
      if (page == -1) continue;
      EXPECT_TRUE(owners.emplace(page, 1).second) << "page " << page << " was handed out twice";
    } else if (!owners.empty()) {
      auto it = std::next(owners.begin(), static_cast<std::ptrdiff_t>(random() % owners.size()));
      if (action == 1) {
        pool.retain(it->first);
        ++it->second;
      } else {
        pool.release(it->first);
        if (--it->second == 0) owners.erase(it);
      }
    }
    ASSERT_EQ(pool.n_free(), 17 - static_cast<int>(owners.size()));
    for (const auto& [page, n] : owners) ASSERT_EQ(pool.n_owner(page), n);
  }
}

TEST(PagePoolDeathTest, LettingGoOfAFreePageIsABug) {
  PagePool pool(2);
  EXPECT_DEATH(pool.release(0), "CHECK failed");
  EXPECT_DEATH(pool.retain(1), "CHECK failed");
  EXPECT_DEATH(pool.release(2), "CHECK failed");
}

}  // namespace
}  // namespace tercet::backend
