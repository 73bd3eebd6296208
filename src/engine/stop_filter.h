// Owns the search for stop strings in text that comes in pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tercet::engine {

// Lets text through up to the first stop string to be complete (the longest, if several are at once). What may be the
// beginning of one waits until it is decided, so that no byte of a stop string ever comes out. Given whole code points,
// it gives whole code points.
class StopFilter {
 public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // What `piece` set free. After a match nothing more comes out.
  std::string push(std::string_view piece);
  // What still waits: the text has ended, so it was no stop string.
  std::string finish();

  bool matched() const { return match_ < stops_.size(); }
  std::string_view match() const { return matched() ? std::string_view(stops_[match_]) : std::string_view(); }

 private:
  size_t possible_start() const;

  std::vector<std::string> stops_;  // none is empty
  std::string held_;
  size_t match_ = static_cast<size_t>(-1);  // index into stops_
};

}  // namespace tercet::engine
