// The founding gate, the weakest of all, and the judge's own.
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "contract/falsifiers/falsifiers.h"
#include "contract/prompt.h"
#include "ref/ref.h"
#include "trace/measure.h"

namespace tercet::contract {
namespace {

namespace json = boost::json;
using backend::Precision;

// What measures must not be fooled: it has to refuse NaN, zero vectors and unequal lengths, and tell two directions apart.
std::string broken_measure() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> ones = {1, 1}, bad = {1, nan}, zero = {0, 0}, three = {1, 1, 1}, turned = {1, -1};
  if (trace::measure(ones, bad) || trace::measure(bad, ones)) return "the cosine takes a NaN, want it refused";
  if (trace::measure(zero, ones) || trace::measure(ones, zero))
    return "the cosine takes a zero vector, want it refused";
  if (trace::measure(ones, three)) return "the cosine takes unequal lengths, want them refused";
  const auto right_angle = trace::measure(ones, turned);
  if (!right_angle || std::abs(right_angle->cosine) > 1e-12) return "the cosine of a right angle is not 0";
  return "";
}

// The tokens of the founding test, or those that stand for them in a small vocabulary.
Result<std::vector<TokenId>> founding_tokens(const model::Config& config) {
  if (config.n_vocab > 9217) return std::vector<TokenId>{785, 9217, 308};
  if (config.n_vocab > 921) return std::vector<TokenId>{785, 921, 308};
  return error(Code::kUnsupported, "a vocabulary of {}, want more than 921 for tokens 785 921 308", config.n_vocab);
}

Result<std::vector<float>> last_logits(const World& world, const backend::Factory& factory, int device,
                                       Precision precision, std::span<const TokenId> ids) {
  RETURN_IF_ERROR(world.go_on());
  backend::Options options = options_for(static_cast<int>(ids.size()), precision, world.n_thread);
  options.device = device;
  ASSIGN_OR_RETURN(const auto backend, factory.make(world.model, options));
  ASSIGN_OR_RETURN(const auto logits, run_rows(*backend, ids, 0, static_cast<int>(ids.size())));
  const auto n_vocab = static_cast<size_t>(world.model->config.n_vocab);
  if (logits.size() != ids.size() * n_vocab)
    return error(Code::kCorrupt, "{} logits, want {} of {} rows", logits.size(), ids.size() * n_vocab, ids.size());
  return std::vector<float>(logits.end() - static_cast<std::ptrdiff_t>(n_vocab), logits.end());
}

void add_cosine(Evidence& out, std::string name, std::optional<Precision> precision, std::span<const float> seen,
                std::span<const float> wanted) {
  const auto agreement = trace::measure(seen, wanted);
  if (!agreement) out.broken = fmt::format("{}: {}", name, agreement.error().message);
  out.add(std::move(name), precision, agreement ? agreement->cosine : std::numeric_limits<double>::quiet_NaN());
}

Series as_series(std::string name, std::optional<Precision> precision, std::span<const float> values) {
  return {std::move(name), precision, std::ssize(values), {values.begin(), values.end()}};
}

}  // namespace

// Figures: `cosine` of the last position's logits with those of the yardstick, cpu in exact, and `yardstick`, that of the
// yardstick with ref. cpu itself is held to ref.
Result<Evidence> check_parity(const Context& context) {
  const World& world = context.world;
  const Subject& subject = *context.subject;
  Evidence out;
  out.broken = broken_measure();
  const auto ids = founding_tokens(world.model->config);
  if (!ids) {
    out.skipped = ids.error().message;
    return out;
  }
  world.say("three tokens by ref");
  ASSIGN_OR_RETURN(const auto ref, last_logits(world, ref::kFactory, 0, Precision::kExact, *ids));
  std::vector<float> wanted = ref;
  const bool is_yardstick = world.yardstick == nullptr || world.yardstick->name == subject.name();
  if (!is_yardstick) {
    ASSIGN_OR_RETURN(wanted, last_logits(world, *world.yardstick, 0, Precision::kExact, *ids));
    add_cosine(out, "yardstick", {}, wanted, ref);
  }
  out.series.push_back(as_series("logits_of_ref", {}, ref));
  for (const Precision precision : kAllPrecisions) {
    world.say(fmt::format("three tokens, {}", backend::precision_name(precision)));
    ASSIGN_OR_RETURN(const auto seen, last_logits(world, *subject.factory, subject.device.index, precision, *ids));
    add_cosine(out, "cosine", precision, seen, wanted);
    out.series.push_back(as_series("logits", precision, seen));
  }
  return out;
}

namespace {

struct StoredCase {
  std::string name;
  std::vector<TokenId> ids;
  std::vector<float> logits;  // [ids, n_vocab]
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(Code::kNotFound, "{}: cannot be read, want what ships with the contracts", path);
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

// The stored logits of the demo, if `name` is the model that they are of; else none.
Result<std::vector<StoredCase>> stored_cases(const std::string& folder, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string text, read_file(folder + "/reference.json"));
  std::vector<StoredCase> all;
  try {
    const json::value root = json::parse(text);
    if (std::string_view(root.at("model").as_string()) != name) return all;
    for (const auto& [key, value] : root.at("cases").as_object()) {
      StoredCase stored{std::string(key), json::value_to<std::vector<TokenId>>(value.at("ids")), {}};
      ASSIGN_OR_RETURN(const std::string bytes, read_file(folder + "/" + stored.name + ".logits.f32"));
      stored.logits.resize(bytes.size() / sizeof(float));
      std::memcpy(stored.logits.data(), bytes.data(), stored.logits.size() * sizeof(float));
      all.push_back(std::move(stored));
    }
  } catch (const std::exception& e) {
    return error(Code::kCorrupt, "{}/reference.json: {}, want stored cases", folder, e.what());
  }
  return all;
}

}  // namespace

// Figure: `relative_l2`, the worst at any position of ref's logits against those that Hugging Face's float32 gave on the
// same dequantized weights. The model is known by its name, so that weights that were changed are found out.
Result<Evidence> check_reference(const Context& context) {
  const World& world = context.world;
  const model::Config& config = world.model->config;
  const auto n_vocab = static_cast<size_t>(config.n_vocab);
  Evidence out;
  ASSIGN_OR_RETURN(const auto cases, stored_cases(world.data_folder + "/data/demo", config.name));
  if (cases.empty()) {
    out.skipped = fmt::format("no stored logits of '{}' ship with the program", config.name);
    return out;
  }
  for (const StoredCase& stored : cases) {
    RETURN_IF_ERROR(world.go_on());
    world.say(fmt::format("ref on the stored case '{}'", stored.name));
    if (stored.logits.size() != stored.ids.size() * n_vocab) {
      out.broken = fmt::format("'{}': a vocabulary of {}, want that of the stored logits", stored.name, n_vocab);
      return out;
    }
    const int n = static_cast<int>(stored.ids.size());
    ASSIGN_OR_RETURN(const auto ref,
                     ref::kFactory.make(world.model, options_for(n, Precision::kExact, world.n_thread)));
    ASSIGN_OR_RETURN(const auto logits, run_rows(*ref, stored.ids, 0, n));
    double worst = 0;
    for (size_t p = 0; p < stored.ids.size(); ++p) {
      const auto agreement = trace::measure(std::span(logits).subspan(p * n_vocab, n_vocab),
                                            std::span(stored.logits).subspan(p * n_vocab, n_vocab));
      if (!agreement) out.broken = fmt::format("'{}' position {}: {}", stored.name, p, agreement.error().message);
      if (agreement) worst = std::max(worst, agreement->relative_l2);
    }
    out.add("relative_l2", {}, worst, stored.name);
  }
  return out;
}

}  // namespace tercet::contract
