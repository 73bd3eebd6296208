#include "cli/interrupt.h"

#include <csignal>

namespace tercet::cli {
namespace {

volatile std::sig_atomic_t g_requested = 0;

void on_interrupt(int) { g_requested = 1; }

}  // namespace

InterruptScope::InterruptScope() {
  g_requested = 0;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  // The handler is gone after the first signal. A write that is under way goes on.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptScope::~InterruptScope() { std::signal(SIGINT, SIG_DFL); }

bool InterruptScope::requested() const { return g_requested != 0; }

}  // namespace tercet::cli
