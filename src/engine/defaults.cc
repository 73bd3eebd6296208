#include "engine/defaults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <utility>

namespace tercet::engine {
namespace {

constexpr std::string_view kPrefix = "general.sampling.";

// Values: the model cards and generation_config.json of Qwen/Qwen3-Coder-30B-A3B-Instruct,
// Qwen/Qwen3-30B-A3B-Instruct-2507 and Qwen/Qwen3-30B-A3B.
const Family kQwen3Coder = {"Qwen3-Coder",
                            {.temperature = 0.7F, .top_k = 20, .top_p = 0.8F, .min_p = 0.0F, .repeat_penalty = 1.05F}};
const Family kQwen3Instruct = {
    "Qwen3 Instruct", {.temperature = 0.7F, .top_k = 20, .top_p = 0.8F, .min_p = 0.0F, .repeat_penalty = 1.0F}};
const Family kQwen3 = {"Qwen3",
                       {.temperature = 0.6F, .top_k = 20, .top_p = 0.95F, .min_p = 0.0F, .repeat_penalty = 1.0F}};

constexpr SamplingValues kProgram = {.temperature = 0.8F,
                                     .top_k = 40,
                                     .top_p = 0.95F,
                                     .min_p = 0.05F,
                                     .repeat_penalty = 1.0F,
                                     .presence_penalty = 0.0F,
                                     .frequency_penalty = 0.0F};

// "Qwen3-Coder 30B" and "qwen3_coder-30b" are the same name.
std::string squeeze(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) out.push_back(static_cast<char>(std::tolower(byte)));
  }
  return out;
}

struct FloatKey {
  std::string_view name;
  std::optional<float> SamplingValues::* field;
  float low, high;
  bool low_is_in;  // low itself is allowed
};
constexpr float kAny = std::numeric_limits<float>::max();
constexpr std::array<FloatKey, 4> kFloatKeys = {{
    {"temp", &SamplingValues::temperature, 0.0F, kAny, true},
    {"top_p", &SamplingValues::top_p, 0.0F, 1.0F, true},
    {"min_p", &SamplingValues::min_p, 0.0F, 1.0F, true},
    {"penalty_repeat", &SamplingValues::repeat_penalty, 0.0F, kAny, false},
}};

Status read_float(const gguf::File& file, const FloatKey& key, SamplingValues& out) {
  const std::string name = std::string(kPrefix) += key.name;
  if (file.find(name) == nullptr) return {};
  ASSIGN_OR_RETURN(const float value, file.get_f32(name));
  const bool is_in = value <= key.high && (key.low_is_in ? value >= key.low : value > key.low);
  if (!is_in) {
    const std::string upper = key.high == kAny ? "" : fmt::format(" and at most {}", key.high);
    return error(Code::kCorrupt, "{}: {} is {}, want {} {}{}", file.path(), name, value,
                 key.low_is_in ? "at least" : "more than", key.low, upper);
  }
  out.*key.field = value;
  return {};
}

Status read_top_k(const gguf::File& file, SamplingValues& out) {
  const std::string name = std::string(kPrefix) += "top_k";
  if (file.find(name) == nullptr) return {};
  ASSIGN_OR_RETURN(const int32_t value, file.get_i32(name));
  out.top_k = std::max(value, 0);  // llama.cpp: 0 or less is no limit
  return {};
}

bool is_known(std::string_view key) {
  if (key == "top_k") return true;
  return std::any_of(kFloatKeys.begin(), kFloatKeys.end(), [&](const FloatKey& k) { return k.name == key; });
}

std::string_view string_or_empty(const gguf::File& file, std::string_view key) {
  const gguf::Value* value = file.find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string_view>(&value->data);
  return text == nullptr ? std::string_view() : *text;
}

}  // namespace

Family find_family(std::string_view architecture, std::string_view model_name) {
  if (architecture != "qwen3" && architecture != "qwen3moe") return {};
  const std::string name = squeeze(model_name);
  if (name.find("qwen3coder") != std::string::npos) return kQwen3Coder;
  if (name.find("qwen3") == std::string::npos) return {};
  return name.find("instruct") != std::string::npos ? kQwen3Instruct : kQwen3;
}

Result<ModelDefaults> read_model_defaults(const gguf::File& file) {
  ModelDefaults out;
  for (const FloatKey& key : kFloatKeys) RETURN_IF_ERROR(read_float(file, key, out.file));
  RETURN_IF_ERROR(read_top_k(file, out.file));
  for (const gguf::KeyValue& entry : file.metadata()) {
    if (entry.key.starts_with(kPrefix) && !is_known(entry.key.substr(kPrefix.size())))
      out.ignored.emplace_back(entry.key);
  }
  const std::string_view architecture = string_or_empty(file, "general.architecture");
  // A basename has no size and often no "Instruct" in it; a name is free text. Either may be the one that tells.
  const std::string both =
      fmt::format("{} {} {}", string_or_empty(file, "general.basename"), string_or_empty(file, "general.name"),
                  string_or_empty(file, "general.finetune"));
  const Family family = find_family(architecture, both);
  out.family = family.name;
  out.family_values = family.values;
  return out;
}

ChosenSampling choose_sampling(const SamplingValues& request, const ModelDefaults& model) {
  ChosenSampling out;
  const auto choose = [&](std::string_view name, auto member, auto& target) {
    const std::array<std::pair<const SamplingValues*, Origin>, 4> sources = {{{&request, Origin::kRequest},
                                                                              {&model.file, Origin::kFile},
                                                                              {&model.family_values, Origin::kFamily},
                                                                              {&kProgram, Origin::kProgram}}};
    for (const auto& [values, origin] : sources) {
      if (!(values->*member)) continue;
      target = *(values->*member);
      out.items.push_back({name, static_cast<double>(target), origin});
      return;
    }
  };
  backend::Sampling& s = out.sampling;
  choose("temperature", &SamplingValues::temperature, s.temperature);
  choose("top_k", &SamplingValues::top_k, s.top_k);
  choose("top_p", &SamplingValues::top_p, s.top_p);
  choose("min_p", &SamplingValues::min_p, s.min_p);
  choose("repeat_penalty", &SamplingValues::repeat_penalty, s.repeat_penalty);
  choose("presence_penalty", &SamplingValues::presence_penalty, s.presence_penalty);
  choose("frequency_penalty", &SamplingValues::frequency_penalty, s.frequency_penalty);
  return out;
}

std::string describe(const ChosenSampling& chosen, const ModelDefaults& model) {
  std::string out;
  for (const ChosenSampling::Item& item : chosen.items) {
    if (!out.empty()) out += ", ";
    // Six digits: the shortest form of the float that a value was, not of the double that it is now.
    out += fmt::format("{} {:.6g} ({}", item.name, item.value, origin_name(item.origin));
    if (item.origin == Origin::kFamily) out += fmt::format(" {}", model.family);
    out += ")";
  }
  return out;
}

}  // namespace tercet::engine
