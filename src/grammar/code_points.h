// Owns sets of Unicode code points, as character classes are.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace tercet::grammar {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

class CodePoints {
 public:
  using Range = std::pair<uint32_t, uint32_t>;  // both ends belong to it

  CodePoints() = default;
  CodePoints(std::initializer_list<Range> ranges) {
    for (const Range& range : ranges) add(range.first, range.second);
  }
  // All but the surrogates, which no UTF-8 has.
  static CodePoints all() { return {{0, 0xD7FF}, {0xE000, kMaxCodePoint}}; }

  void add(uint32_t low, uint32_t high);
  void add(const CodePoints& other) {
    for (const Range& range : other.ranges_) add(range.first, range.second);
  }
  CodePoints complement() const;  // within all()
  CodePoints intersection(const CodePoints& other) const;
  bool contains(uint32_t code_point) const;
  bool contains_all(uint32_t low, uint32_t high) const;
  const std::vector<Range>& ranges() const { return ranges_; }  // ascending, apart

 private:
  std::vector<Range> ranges_;
};

}  // namespace tercet::grammar
