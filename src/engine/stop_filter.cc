#include "engine/stop_filter.h"

#include <algorithm>
#include <utility>

namespace tercet::engine {

std::string StopFilter::push(std::string_view piece) {
  if (matched()) return {};
  held_ += piece;
  // The first to be complete, and of those complete at once the longest: so the cuts between pieces make no difference.
  std::pair<size_t, size_t> best = {std::string::npos, 0};  // end, start
  for (size_t i = 0; i < stops_.size(); ++i) {
    const size_t start = held_.find(stops_[i]);
    if (start == std::string::npos) continue;
    const std::pair candidate = {start + stops_[i].size(), start};
    if (candidate >= best) continue;
    best = candidate;
    match_ = i;
  }
  const size_t n_free = matched() ? best.second : possible_start();
  std::string out = held_.substr(0, n_free);
  held_.erase(0, matched() ? held_.size() : n_free);
  return out;
}

std::string StopFilter::finish() { return std::exchange(held_, {}); }

// Where the longest end of held_ starts with which a stop string begins.
size_t StopFilter::possible_start() const {
  size_t start = held_.size();
  for (const std::string& stop : stops_) {
    const size_t longest = std::min(stop.size() - 1, held_.size());
    for (size_t n = longest; n > held_.size() - start; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) start = held_.size() - n;
    }
  }
  return start;
}

}  // namespace tercet::engine
