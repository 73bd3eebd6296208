// Owns checked arithmetic for sizes that come from outside. Every function says false (or an empty optional) instead of
// wrapping around; the caller names the thing in its error.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

namespace tercet {

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::integral T>
[[nodiscard]] constexpr std::optional<T> checked_mul(T a, T b) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The smallest multiple of `alignment` (> 0) that is >= value, or nothing if it does not fit.
[[nodiscard]] constexpr std::optional<uint64_t> checked_align_up(uint64_t value, uint64_t alignment) {
  const uint64_t remainder = value % alignment;
  return remainder == 0 ? std::optional(value) : checked_add(value, alignment - remainder);
}

}  // namespace tercet
