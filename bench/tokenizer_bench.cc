// Prints how fast the tokenizer is, as one line of JSON that bench/tokenizer.py reads.
// usage: tokenizer_bench MODEL.gguf TEXT REPEATS
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace {

// CPU time of this process, which has one thread: what else runs on the machine counts less.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double best_seconds(const tercet::tokenizer::Tokenizer& tokenizer, const std::string& text, int repeats) {
  double best = 1e300;
  for (int i = 0; i < repeats; ++i) {
    const double start = cpu_seconds();
    const auto ids = tokenizer.encode(text, true);
    const double seconds = cpu_seconds() - start;
    if (ids.empty() && !text.empty()) std::abort();
    best = std::min(best, seconds);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc == 4 ? std::atoi(argv[3]) : 0;
  if (repeats < 1) {
    fmt::print(stderr, "usage: {} MODEL.gguf TEXT REPEATS\n", argv[0]);
    return 2;
  }
  const auto file = tercet::gguf::File::open(argv[1]);
  if (!file) {
    fmt::print(stderr, "{}\n", file.error().message);
    return 2;
  }
  const double opened = cpu_seconds();
  const auto tokenizer = tercet::tokenizer::Tokenizer::from_gguf(**file);
  if (!tokenizer) {
    fmt::print(stderr, "{}\n", tokenizer.error().message);
    return 2;
  }
  const double load = cpu_seconds() - opened;
  std::ifstream in(argv[2], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const size_t n_token = (*tokenizer)->encode(text, true).size();
  const double seconds = best_seconds(**tokenizer, text, repeats);
  fmt::print(R"({{"n_byte":{},"n_token":{},"seconds":{},"load_seconds":{},"run_seconds":{{)", text.size(), n_token,
             seconds, load);
  const char* separator = "";
  for (const auto& [name, unit] : {std::pair{"a", "a"}, {"space", " "}, {"newline", "\n"}, {"U+0301", "\u0301"}}) {
    std::string run;
    while (run.size() < 1'000'000) run += unit;
    fmt::print(R"({}"{}":{})", separator, name, best_seconds(**tokenizer, run, 1));
    separator = ",";
  }
  fmt::print("}}}}\n");
}
