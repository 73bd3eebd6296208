#include "cli/sampling_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <random>
#include <string>

#include "cli/options.h"

namespace tercet::cli {
namespace {

constexpr float kMaxTemperature = 1000.0F;
constexpr float kMaxPenalty = 1000.0F;
constexpr float kMinRepeatPenalty = 0.001F;

// What every reader of JSON can hold: a double's whole numbers.
uint64_t draw_seed() {
  std::random_device device;
  const uint64_t high = device();
  return (high << 32 | device()) & ((uint64_t{1} << 53) - 1);
}

// The shortest decimal of the float that the value was, not of the double that holds it: 0.7, not 0.699999988.
double shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

}  // namespace

void SamplingOptions::declare(CLI::App& app) {
  const auto put = [](CLI::Option* option) { option->group("Sampling (default: as the model asks, --stats tells)"); };
  put(add_number(app, "--temp", temperature_, 0, kMaxTemperature, "Temperature; 0 is greedy"));
  put(add_integer(app, "--top-k", top_k_, 0, INT32_MAX, "The K most probable tokens only; 0: all"));
  put(add_number(app, "--top-p", top_p_, 0, 1, "The most probable tokens that make up this share; 1: all"));
  put(add_number(app, "--min-p", min_p_, 0, 1, "Tokens of at least this share of the best one's probability"));
  put(add_number(app, "--repeat-penalty", repeat_penalty_, kMinRepeatPenalty, kMaxPenalty,
                 "Divides the logits of tokens that were there before; 1: none"));
  put(add_number(app, "--presence-penalty", presence_penalty_, -kMaxPenalty, kMaxPenalty,
                 "Taken off the logits of tokens of the answer so far"));
  put(add_number(app, "--frequency-penalty", frequency_penalty_, -kMaxPenalty, kMaxPenalty,
                 "The same, for each time that they came"));
  put(add_unsigned(app, "--seed", seed_, "The same seed gives the same text (default: drawn, and shown)"));
}

Result<SamplingChoice> SamplingOptions::choose(const gguf::File& file) const {
  ASSIGN_OR_RETURN(const engine::ModelDefaults model, engine::read_model_defaults(file));
  engine::SamplingValues values;
  values.temperature = temperature_;
  if (top_k_) values.top_k = static_cast<int32_t>(*top_k_);
  values.top_p = top_p_;
  values.min_p = min_p_;
  values.repeat_penalty = repeat_penalty_;
  values.presence_penalty = presence_penalty_;
  values.frequency_penalty = frequency_penalty_;

  const engine::ChosenSampling chosen = engine::choose_sampling(values, model);
  SamplingChoice out{chosen.sampling, {}};
  out.sampling.seed = seed_ ? *seed_ : draw_seed();
  for (const engine::ChosenSampling::Item& item : chosen.items) {
    const std::string family = item.origin == engine::Origin::kFamily ? fmt::format(" {}", model.family) : "";
    const bool is_whole = item.name == "top_k";
    out.items.push_back(
        {std::string(item.name),
         is_whole ? boost::json::value(static_cast<int64_t>(item.value)) : boost::json::value(shortest(item.value)),
         fmt::format("{}{}", engine::origin_name(item.origin), family)});
  }
  out.items.push_back({"seed", out.sampling.seed, seed_ ? "request" : "random"});
  return out;
}

}  // namespace tercet::cli
