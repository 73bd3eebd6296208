#include "grammar/code_points.h"

#include <algorithm>

namespace tercet::grammar {

void CodePoints::add(uint32_t low, uint32_t high) {
  std::vector<Range> out;
  for (const Range& range : ranges_) {
    if (range.second + 1 < low || high + 1 < range.first) {
      out.push_back(range);
    } else {
      low = std::min(low, range.first);
      high = std::max(high, range.second);
    }
  }
  out.emplace_back(low, high);
  std::sort(out.begin(), out.end());
  ranges_ = std::move(out);
}

CodePoints CodePoints::complement() const {
  CodePoints out;
  uint32_t next = 0;
  const auto add_gap = [&](uint32_t low, uint32_t high) {
    if (low <= high) out.ranges_.emplace_back(low, high);
  };
  for (const Range& range : ranges_) {
    if (range.first > next) add_gap(next, range.first - 1);
    next = std::max(next, range.second + 1);
  }
  add_gap(next, kMaxCodePoint);
  return out.intersection(all());
}

CodePoints CodePoints::intersection(const CodePoints& other) const {
  CodePoints out;
  for (const Range& a : ranges_)
    for (const Range& b : other.ranges_) {
      const uint32_t low = std::max(a.first, b.first);
      const uint32_t high = std::min(a.second, b.second);
      if (low <= high) out.ranges_.emplace_back(low, high);
    }
  std::sort(out.ranges_.begin(), out.ranges_.end());
  return out;
}

bool CodePoints::contains(uint32_t code_point) const { return contains_all(code_point, code_point); }

bool CodePoints::contains_all(uint32_t low, uint32_t high) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return range.first <= low && high <= range.second; });
}

}  // namespace tercet::grammar
