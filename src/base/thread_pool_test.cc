#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace tercet {
namespace {

TEST(ThreadPool, VisitsEveryIndexOnceWhateverTheGrain) {
  for (const int n_thread : {1, 2, 3, 7}) {
    ThreadPool pool(n_thread);
    for (const int64_t n : {0, 1, 2, 63, 64, 65, 1000}) {
      for (const int64_t grain : {1, 3, 64, 2000}) {
        std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
        pool.parallel_for(n, grain, [&](int64_t begin, int64_t end, int thread) {
          ASSERT_LT(thread, n_thread);
          for (int64_t i = begin; i < end; ++i) hits[static_cast<size_t>(i)].fetch_add(1);
        });
        for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
      }
    }
  }
}

TEST(ThreadPool, ManyShortRegionsAndSleepsBetween) {
  ThreadPool pool(3);
  int64_t total = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<int64_t> values(97);
    pool.parallel_for(97, 5, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) values[static_cast<size_t>(i)] = i;
    });
    total += std::accumulate(values.begin(), values.end(), int64_t{0});
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // long enough to fall asleep
  }
  EXPECT_EQ(total, 2000 * (96 * 97 / 2));
}

}  // namespace
}  // namespace tercet
