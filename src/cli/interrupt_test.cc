#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace tercet::cli {
namespace {

// raise() comes back when the handler has run, so nothing here waits for a signal to arrive.

TEST(Interrupt, TheFirstIsARequest) {
  const InterruptScope scope;
  EXPECT_FALSE(scope.requested());
  ::raise(SIGINT);
  EXPECT_TRUE(scope.requested());
}

TEST(Interrupt, AScopeStartsWithoutARequest) {
  {
    const InterruptScope scope;
    ::raise(SIGINT);
  }
  const InterruptScope scope;
  EXPECT_FALSE(scope.requested());
  ::raise(SIGINT);
  EXPECT_TRUE(scope.requested()) << "the scope before has used its handler up";
}

void interrupt_twice() {
  const InterruptScope scope;
  ::raise(SIGINT);
  ::raise(SIGINT);
  ::_exit(0);
}

TEST(InterruptDeathTest, TheSecondEndsTheProgram) {
  EXPECT_EXIT(interrupt_twice(), testing::KilledBySignal(SIGINT), "");
}

void interrupt_after_a_scope() {
  {
    const InterruptScope scope;
  }
  ::raise(SIGINT);
  ::_exit(0);
}

TEST(InterruptDeathTest, AfterAScopeTheFirstEndsTheProgram) {
  EXPECT_EXIT(interrupt_after_a_scope(), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace tercet::cli
