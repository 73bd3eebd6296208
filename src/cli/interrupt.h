// Owns Ctrl-C while an answer or a trace is made: the first asks for its end, the second ends the program as if nothing
// had been installed.
#pragma once

namespace tercet::cli {

// Catches SIGINT as long as it lives. One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool requested() const;
};

}  // namespace tercet::cli
