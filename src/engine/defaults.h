// Owns where sampling values come from: the request or flag, the file, the family's table, the program; the first that
// has one wins (docs/sampling.md#defaults).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/batch.h"
#include "base/result.h"
#include "gguf/gguf.h"

namespace tercet::engine {

// What one source says; nothing where it is silent.
struct SamplingValues {
  std::optional<float> temperature = {};
  std::optional<int32_t> top_k = {};
  std::optional<float> top_p = {};
  std::optional<float> min_p = {};
  std::optional<float> repeat_penalty = {};
  std::optional<float> presence_penalty = {};
  std::optional<float> frequency_penalty = {};
};

enum class Origin { kRequest, kFile, kFamily, kProgram };
constexpr std::string_view origin_name(Origin origin) {
  switch (origin) {
    case Origin::kRequest: return "request";
    case Origin::kFile: return "file";
    case Origin::kFamily: return "family";
    case Origin::kProgram: return "program";
  }
  return "unknown";
}

// What a model brings along.
struct ModelDefaults {
  SamplingValues file;               // its general.sampling.*
  std::vector<std::string> ignored;  // keys under general.sampling that ask for what is not here
  std::string_view family;           // "Qwen3-Coder", or empty: recognised from architecture and name
  SamplingValues family_values;
};

// Errors: kCorrupt for a value of another type or out of its range, naming the key.
Result<ModelDefaults> read_model_defaults(const gguf::File& file);

// The family's name and values by general.architecture and a name; an empty name if it is none of the table's.
struct Family {
  std::string_view name;
  SamplingValues values;
};
Family find_family(std::string_view architecture, std::string_view model_name);

// The values in effect, each with its origin. `seed` is left at 0: it has no default.
struct ChosenSampling {
  struct Item {
    std::string_view name;  // as the request calls it: "top_p"
    double value;
    Origin origin;
  };
  backend::Sampling sampling;
  std::vector<Item> items;  // in the order of SamplingValues
};
ChosenSampling choose_sampling(const SamplingValues& request, const ModelDefaults& model);

// One line for --stats: "temperature 0.7 (family Qwen3-Coder), top_k 20 (request), ...".
std::string describe(const ChosenSampling& chosen, const ModelDefaults& model);

}  // namespace tercet::engine
