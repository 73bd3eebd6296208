// Owns the hashes of the tokenizer's tables. They are keyed by a random number, so that nobody can write a vocabulary
// whose keys all fall into one place; nothing that comes out of the tokenizer depends on it.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace tercet::tokenizer {

inline uint64_t random_odd() {
  std::random_device device;
  return (uint64_t{device()} << 32 | device()) | 1;
}

// The upper half of the product depends on all bits of both factors; it is folded down to where tables look.
inline uint64_t mix(uint64_t x, uint64_t seed) {
  const unsigned __int128 product = static_cast<unsigned __int128>(x ^ seed) * (seed | 1);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  uint64_t hash = mix(bytes.size(), seed);
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t n = bytes.size() < 8 ? bytes.size() : 8;
    std::memcpy(&word, bytes.data(), n);
    hash = mix(hash ^ word, seed);
    bytes.remove_prefix(n);
  }
  return hash;
}

}  // namespace tercet::tokenizer
