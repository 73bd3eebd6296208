// Owns what the tests of the program share: running it as users do, and GGUF files that are the demo model but for one
// thing.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf.h"

namespace tercet::tests {

struct Outcome {
  int exit_code = -1;  // 128 + the signal's number if one ended it
  std::string out;
  std::string err;
};

struct Command {
  std::vector<std::string> args;
  std::string input = {};             // its stdin
  std::vector<std::string> env = {};  // "TERCET_THREADS=2"; nothing of the test's own TERCET_* reaches it
  std::string stdout_path = {};       // where its stdout goes instead of to Outcome::out
  uint64_t most_file_bytes = 0;       // what a file of its may grow to; 0: as the test's own
};

// Runs the program built beside this test to its end. No shell is in between.
Outcome run_tercet(const Command& command);

// Runs it with stdout a pipe of one page, sends it `signal` when the first byte came, and then reads the rest.
Outcome interrupt_tercet(const Command& command, int signal);

// Runs it with a stdout of one page that nobody reads after the first byte and a stderr that takes nothing, sends it
// SIGINT when that byte came and again when it took the first, and tells only how it ended. A command that prints more
// than the page and its statistics, and has no word for stderr before, cannot end by itself in between.
int interrupt_tercet_twice(const Command& command);

// Runs it and sends it SIGINT once the folder, empty now, holds a file. The command must take long from there on.
Outcome interrupt_at_a_file(const Command& command, const std::string& folder);

// Whether there is a pseudo-terminal to be had: a bare container may have no /dev/ptmx.
bool can_make_terminal();
// Runs it with a terminal for its stderr.
Outcome run_on_terminal(const Command& command);

// Runs it with a stdout that nobody reads any more.
Outcome run_with_closed_stdout(const Command& command);

// Runs a script of tests/ with the reference packages.
Outcome run_python(const std::string& script, const std::vector<std::string>& args);

// Outcome::out as JSON; a failure of the test if it is none.
boost::json::object json_of(const Outcome& outcome);

std::string demo_path();

// A folder of this test's own; gone with it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write_file(const std::string& path, std::string_view bytes);

// One thing that is different from the demo.
struct Edit {
  std::string drop_key = {};
  std::optional<std::pair<std::string, uint32_t>> set_u32 = {};
  std::optional<std::pair<std::string, float>> set_f32 = {};
  std::optional<std::pair<std::string, std::string>> set_string = {};
  std::string drop_tensor = {};
  std::string swap_dims_of = {};  // its first two dimensions exchanged: as many bytes, another shape
  std::string make_f64 = {};      // the same shape, of zeros in F64
};
void write_edited_demo(const std::string& path, const Edit& edit);

}  // namespace tercet::tests
