#include "wgpu/guard.h"

#include <csetjmp>
#include <csignal>

#include "base/check.h"

namespace tercet::wgpu {
namespace {

thread_local sigjmp_buf* way_back = nullptr;
struct sigaction before;

// Anybody else's abort() is what it was.
void on_abort(int signal) {
  if (way_back != nullptr) siglongjmp(*way_back, 1);
  ::sigaction(SIGABRT, &before, nullptr);
  ::raise(signal);  // blocked until this returns
}

bool install() {
  struct sigaction action = {};
  action.sa_handler = on_abort;
  sigemptyset(&action.sa_mask);
  return ::sigaction(SIGABRT, &action, &before) == 0;
}

}  // namespace

// This file is compiled without what an unwinder goes by (CMakeLists.txt), so that it ends here and Rust aborts at once: what
// it would write about frames that it may not unwind is longer than this file.
bool returns(void (*call)(void*), void* argument) {
  static const bool kInstalled = install();
  CHECK(kInstalled && way_back == nullptr);
  sigjmp_buf here;
  if (sigsetjmp(here, 1) != 0) {
    way_back = nullptr;
    return false;
  }
  way_back = &here;
  call(argument);
  way_back = nullptr;
  return true;
}

}  // namespace tercet::wgpu
