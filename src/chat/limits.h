// Owns the limits of a render and the budget that counts against them. A template is a file that a stranger wrote: it
// may loop, nest and multiply as it likes, and the worst it can do is to reach one of these and become a kLimit error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace tercet::chat {

struct Limits {
  // Units of work: one for each node evaluated or loop turn, and one for every 64 bytes or element copied or compared.
  uint64_t max_steps = 20'000'000;
  uint64_t max_output_bytes = 32u << 20;
  // Strings, lists and captured output alive at one time.
  uint64_t max_memory_bytes = 256u << 20;
  // Nesting of evaluation: a level for each expression and statement, kCallLevels for a call of a macro or a loop. It
  // bounds the stack: a level takes at most about 1 KiB of it.
  uint32_t max_depth = 1000;
};

// Limits that belong to the interpreter's own shape, whatever the render.
inline constexpr size_t kMaxSourceBytes = 1u << 20;  // of a template's text
inline constexpr int kMaxNesting = 150;              // of tags and brackets in the text
inline constexpr int kMaxHeight = 400;               // of one expression's tree, as a long chain of `+` makes it
inline constexpr uint32_t kCallLevels = 8;
inline constexpr int kMaxValueDepth = 100;     // of lists in lists
inline constexpr int64_t kMaxRange = 100'000;  // items of range(), the sandbox's own limit

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  const Limits& limits() const { return limits_; }

  Status spend(uint64_t n_step) {
    if (n_step > limits_.max_steps - steps_) {
      steps_ = limits_.max_steps;
      return error(Code::kLimit, "the limit max_steps ({}) is reached", limits_.max_steps);
    }
    steps_ += n_step;
    return {};
  }

  // Would `bytes` more fit? Asked before something is built whose size a template chooses.
  Status fits(uint64_t bytes) const {
    if (bytes > limits_.max_memory_bytes - live_) {
      return error(Code::kLimit, "the limit max_memory_bytes ({}) is reached", limits_.max_memory_bytes);
    }
    return {};
  }

 private:
  friend class Charge;
  Limits limits_;
  uint64_t steps_ = 0;
  uint64_t live_ = 0;
};

// Bytes of a budget that an object holds while it lives. The budget outlives every charge on it; a charge without one
// (a constant of the template) is free.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->live_ -= bytes_;
  }

  Status grow(Budget& budget, uint64_t bytes) {
    RETURN_IF_ERROR(budget.fits(bytes));
    budget_ = &budget;
    budget.live_ += bytes;
    bytes_ += bytes;
    return {};
  }

 private:
  Budget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace tercet::chat
