// Owns the flags that say how tokens are drawn, and what is in effect when the model has had its say.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/batch.h"
#include "base/result.h"
#include "cli/cli11.h"
#include "engine/defaults.h"
#include "gguf/gguf.h"

namespace tercet::cli {

struct SamplingChoice {
  backend::Sampling sampling;  // with the seed
  struct Item {
    std::string name;          // "temperature", ..., "seed"
    boost::json::value value;  // a number
    std::string origin;        // "request", "file", "family Qwen3-Coder", "program", "random"
  };
  std::vector<Item> items;
};

class SamplingOptions {
 public:
  // Declares the flags on `app`; this must outlive choose().
  void declare(CLI::App& app);

  // Flags, the file's general.sampling.*, the family's table, the program's values: the first that has one wins. Without
  // --seed the seed is drawn. Errors: kCorrupt for a value of the file's.
  Result<SamplingChoice> choose(const gguf::File& file) const;

 private:
  std::optional<float> temperature_;
  std::optional<int64_t> top_k_;
  std::optional<float> top_p_;
  std::optional<float> min_p_;
  std::optional<float> repeat_penalty_;
  std::optional<float> presence_penalty_;
  std::optional<float> frequency_penalty_;
  std::optional<uint64_t> seed_;
};

}  // namespace tercet::cli
