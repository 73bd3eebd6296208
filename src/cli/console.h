// Owns what the program prints: results on stdout, all else on stderr. Writing to stdout can fail (a full disk, a closed
// pipe), and says so; stderr is written as well as may be.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/common.h"

namespace tercet::cli {

// Writes all of it, past every buffer. Errors: kIo.
Status write_stdout(std::string_view text);
// One line of JSON. Strings in `value` must be UTF-8; see json_text().
Status write_json(const boost::json::value& value);

// `text` with every byte that is no UTF-8 replaced by U+FFFD: JSON can carry no other.
std::string json_text(std::string_view text);

// A number, or null for what JSON has no word for: NaN and the infinities.
boost::json::value json_number(double x);

// To stderr, if anybody reads it within a few seconds. Neither allocates nor locks.
void write_last_words(std::string_view text);

// The two lines of an error on stderr and, with `json`, the object on stdout.
void print_error(const Error& error, bool json, bool color);

// Whether stderr is to be coloured, as --color (or TERCET_COLOR), NO_COLOR and the terminal say.
bool use_color(std::string_view choice);

// 34120000: "34.1 M"
std::string format_count(double n);

// stderr, but for errors: silent with --quiet.
class Console {
 public:
  explicit Console(const Common& common);

  // `tercet: TEXT`
  void note(std::string_view text) const;
  // A line that is faint on a terminal: statistics.
  void statistics(std::string_view text) const;

  // A line that is redrawn in place, on a terminal only and never with NO_PROGRESS. An empty text wipes it.
  void progress(std::string_view text) const;
  bool shows_progress() const { return shows_progress_; }
  bool color() const { return color_; }

 private:
  bool quiet_;
  bool color_;
  bool shows_progress_;
};

}  // namespace tercet::cli
