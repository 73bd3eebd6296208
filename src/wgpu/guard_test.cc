#include "wgpu/guard.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

namespace tercet::wgpu {
namespace {

TEST(Guard, SaysWhetherACallReturned) {
  int n = 0;
  EXPECT_TRUE(returns([&] { ++n; }));
  EXPECT_FALSE(returns([&] {
    ++n;
    std::abort();
  }));
  EXPECT_TRUE(returns([&] { ++n; })) << "and goes on";
  EXPECT_FALSE(returns([] { std::abort(); })) << "as often as it happens";
  EXPECT_EQ(n, 3);
}

TEST(Guard, EachThreadHasItsOwn) {
  bool returned = true;
  std::thread other([&] { returned = returns([] { std::abort(); }); });
  other.join();
  EXPECT_FALSE(returned);
}

// Whoever else aborts does.
TEST(GuardDeath, AbortIsWhatItWasOutsideOfACall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static_cast<void>(returns([] {}));
        std::abort();
      },
      testing::KilledBySignal(SIGABRT), "");
  EXPECT_EXIT(
      {
        static_cast<void>(returns([] { std::abort(); }));
        std::thread([] { std::abort(); }).join();
      },
      testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace tercet::wgpu
