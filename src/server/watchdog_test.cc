#include "server/watchdog.h"

#include <gtest/gtest.h>

#include <future>

namespace tercet::server {
namespace {

using std::chrono::milliseconds;

TEST(Watchdog, TellsOfAStepThatDoesNotEnd) {
  std::promise<milliseconds> told;
  Watchdog watchdog({.limit = milliseconds(60), .on_stuck = [&](milliseconds taken) { told.set_value(taken); }});
  EXPECT_FALSE(watchdog.is_stuck());
  watchdog.begin_step();
  EXPECT_GE(told.get_future().get(), milliseconds(60));
  EXPECT_TRUE(watchdog.is_stuck());
}

TEST(Watchdog, CountsOnlyTheStepThatIsUnderWay) {
  std::atomic<bool> is_told = false;
  Watchdog watchdog({.limit = std::chrono::hours(1), .on_stuck = [&](milliseconds) { is_told = true; }});
  for (int i = 0; i < 100; ++i) watchdog.begin_step();
  watchdog.rest();
  EXPECT_FALSE(watchdog.is_stuck());
  EXPECT_FALSE(is_told);
}

TEST(Watchdog, AStepThatEndsLateIsForgiven) {
  // The limit is far enough that the step ends before it on any machine that gets here at all.
  Watchdog watchdog({.limit = std::chrono::seconds(4), .on_stuck = [](milliseconds) {}});
  watchdog.begin_step();
  while (!watchdog.is_stuck()) std::this_thread::sleep_for(milliseconds(5));
  watchdog.rest();
  while (watchdog.is_stuck()) std::this_thread::sleep_for(milliseconds(5));
}

TEST(Watchdog, HasALastResortWhereTellingHangsToo) {
  std::promise<void> release, resorted;
  const auto released = release.get_future().share();
  Watchdog watchdog({.limit = milliseconds(20),
                     .on_stuck = [released](milliseconds) { released.wait(); },
                     .on_untold = [&] { resorted.set_value(); },
                     .patience = milliseconds(40)});
  watchdog.begin_step();
  resorted.get_future().get();
  release.set_value();
}

TEST(Watchdog, WatchesNothingWithoutALimit) {
  Watchdog watchdog({});
  watchdog.begin_step();
  EXPECT_FALSE(watchdog.is_stuck());
}

}  // namespace
}  // namespace tercet::server
