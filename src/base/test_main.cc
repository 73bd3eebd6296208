// The main of every test program: GoogleTest's, but the exit code is 77 (CTest's Skipped) if all that ran was skipped,
// so that a missing device or model shows up in the summary instead of passing for a success.
#include <gtest/gtest.h>

namespace {
constexpr int kSkipped = 77;
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  const auto& tests = *testing::UnitTest::GetInstance();
  if (failed == 0 && tests.skipped_test_count() > 0 && tests.successful_test_count() == 0) return kSkipped;
  return failed;
}
