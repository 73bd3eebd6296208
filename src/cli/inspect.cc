// tercet inspect: what a GGUF file holds, and whether it can be run here.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <map>
#include <memory>

#include "base/memory.h"
#include "base/text.h"
#include "cli/backends.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/fit.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "gguf/gguf.h"
#include "model/weights.h"
#include "tokenizer/tokenizer.h"

namespace tercet::cli {
namespace inspect_verb {
namespace {

namespace json = boost::json;

// Of a metadata array, how many elements are shown.
constexpr size_t kShownElements = 8;

struct Options {
  std::string path;
  bool metadata = false;
  bool tensors = false;
};

struct TypeShare {
  uint64_t n_tensor = 0;
  uint64_t n_parameter = 0;
  uint64_t n_byte = 0;
};

struct Contents {
  std::shared_ptr<const gguf::File> file;
  std::map<std::string, TypeShare> types;
  TypeShare all;
  Result<std::shared_ptr<const model::Model>> model;  // or why it cannot be run
  Status tokenizer;                                   // or why it cannot take text
  std::vector<Candidate> fits;                        // none where the model cannot be run
};

std::string text_or(const gguf::File& file, std::string_view key, std::string_view fallback) {
  const auto value = file.get_string(key);
  return std::string(value ? *value : fallback);
}

Result<Contents> read(const std::string& path, const Common& common) {
  Demand demand = demand_of(common);
  demand.device.clear();  // every one is shown
  ASSIGN_OR_RETURN(const std::shared_ptr<const gguf::File> file, gguf::File::open(path));
  Contents out{file, {}, {}, model::load_model(file), {}, {}};
  for (const gguf::TensorInfo& info : file->tensors()) {
    for (TypeShare* share : {&out.types[gguf::tensor_type_name(info.type)], &out.all}) {
      share->n_tensor += 1;
      share->n_parameter += info.n_element;
      share->n_byte += info.n_byte;
    }
  }
  if (!out.model) return out;
  // A model made for measuring has no vocabulary, and takes token ids.
  if (file->find("tokenizer.ggml.model") != nullptr) {
    const auto tokenizer = tokenizer::Tokenizer::from_gguf(*file);
    if (!tokenizer) out.tokenizer = tl::make_unexpected(tokenizer.error());
  }
  ASSIGN_OR_RETURN(out.fits, fit_everywhere(**out.model, demand));
  return out;
}

json::value to_json(const gguf::Value& value);

json::object to_json(const gguf::Array& array) {
  json::array first;
  for (size_t i = 0; i < std::min(array.size(), kShownElements); ++i) first.emplace_back(to_json(array.at(i)));
  return {{"element_type", gguf::value_type_name(array.element_type())}, {"count", array.size()}, {"first", first}};
}

json::value to_json(const gguf::Value& value) {
  return std::visit(
      [](const auto& held) -> json::value {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, gguf::Array>) return to_json(held);
        if constexpr (std::is_same_v<T, std::string_view>) return json::value(json_text(held));
        if constexpr (std::is_same_v<T, double>) return json_number(held);
        if constexpr (std::is_integral_v<T>) return json::value(held);
      },
      value.data);
}

json::object to_json(const TypeShare& share) {
  return {{"tensors", share.n_tensor}, {"parameters", share.n_parameter}, {"bytes", share.n_byte}};
}

json::object to_json(const model::Config& c) {
  return {{"n_layer", c.n_layer},   {"d_model", c.d_model},
          {"n_head", c.n_head},     {"n_head_kv", c.n_head_kv},
          {"d_head", c.d_head},     {"d_ff", c.d_ff},
          {"n_expert", c.n_expert}, {"n_expert_used", c.n_expert_used},
          {"n_vocab", c.n_vocab},   {"n_ctx_train", c.n_ctx_train},
          {"rms_eps", c.rms_eps},   {"rope_base", c.rope_base}};
}

json::array metadata_json(const gguf::File& file) {
  json::array out;
  for (const auto& [key, value] : file.metadata())
    out.push_back({{"key", json_text(key)}, {"type", gguf::value_type_name(value.type)}, {"value", to_json(value)}});
  return out;
}

json::array tensors_json(const gguf::File& file) {
  json::array out;
  for (const gguf::TensorInfo& info : file.tensors())
    out.push_back({{"name", json_text(info.name)},
                   {"type", gguf::tensor_type_name(info.type)},
                   {"dims", json::array(info.dims.begin(), info.dims.end())},
                   {"offset", info.offset},
                   {"bytes", info.n_byte}});
  return out;
}

json::object to_json(const Contents& contents, const Options& options) {
  const gguf::File& file = *contents.file;
  json::object types;
  for (const auto& [name, share] : contents.types) types[name] = to_json(share);
  json::object out = {{"file", json_text(file.path())},
                      {"file_bytes", file.size_bytes()},
                      {"version", file.version()},
                      {"alignment", file.alignment()},
                      {"architecture", json_text(text_or(file, "general.architecture", ""))},
                      {"name", json_text(text_or(file, "general.name", ""))},
                      {"n_key", file.metadata().size()},
                      {"n_tensor", contents.all.n_tensor},
                      {"parameters", contents.all.n_parameter},
                      {"tensor_bytes", contents.all.n_byte},
                      {"types", types},
                      {"runnable", contents.model.has_value() && contents.tokenizer.has_value()}};
  if (!contents.model)
    out["why_not"] = json_text(contents.model.error().message);
  else if (!contents.tokenizer)
    out["why_not"] = json_text(contents.tokenizer.error().message);
  if (contents.model) {
    const model::Model& model = **contents.model;
    out["config"] = to_json(model.config);
    out["bytes_per_token"] = model.active_bytes_per_token();
    json::array fits;
    for (const Candidate& fit : contents.fits) fits.emplace_back(fit_json(fit));
    out["fits"] = std::move(fits);
  }
  if (options.metadata) out["metadata"] = metadata_json(file);
  if (options.tensors) out["tensors"] = tensors_json(file);
  return out;
}

std::string line(std::string_view what, std::string_view value) { return fmt::format("{:<16}{}\n", what, value); }

std::string config_lines(const model::Model& model) {
  const model::Config& c = model.config;
  return line("layers", fmt::format("{}, {} wide", c.n_layer, c.d_model)) +
         line("attention", fmt::format("{} heads of {}, {} of keys and values", c.n_head, c.d_head, c.n_head_kv)) +
         line("experts", fmt::format("{} of {}, {} used a token", c.n_expert, c.d_ff, c.n_expert_used)) +
         line("vocabulary", fmt::format("{} tokens", c.n_vocab)) +
         line("context", fmt::format("{} tokens, trained", c.n_ctx_train)) +
         line("read per token", fmt::format("{} of weights", format_bytes(model.active_bytes_per_token())));
}

std::string fit_line(const Candidate& fit) {
  return line(fmt::format("on {}", fit.entry->name), fmt::format("{}: {}", fit.device.name, fit_text(fit)));
}

// Foreign text is escaped: a file must not be able to drive the terminal.
std::string array_text(const gguf::Array& array) {
  std::string text = fmt::format("array of {} {}: ", array.size(), gguf::value_type_name(array.element_type()));
  for (size_t i = 0; i < std::min(array.size(), kShownElements); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", array.at(i).describe());
  return text + (array.size() > kShownElements ? ", ..." : "");
}

std::string metadata_lines(const gguf::File& file) {
  std::string text = "\nmetadata\n";
  for (const auto& [key, value] : file.metadata()) {
    const auto* array = std::get_if<gguf::Array>(&value.data);
    text += fmt::format("  {:<44} {}\n", printable(key), array == nullptr ? value.describe() : array_text(*array));
  }
  return text;
}

std::string tensor_lines(const gguf::File& file) {
  std::string text = "\ntensors\n";
  for (const gguf::TensorInfo& info : file.tensors())
    text += fmt::format("  {:<36} {:<6} [{}] {}\n", printable(info.name), gguf::tensor_type_name(info.type),
                        fmt::join(info.dims.begin(), info.dims.end(), ", "), format_bytes(info.n_byte));
  return text;
}

std::string to_text(const Contents& contents, const Options& options) {
  const gguf::File& file = *contents.file;
  std::string text = line("file", printable(file.path(), 400));
  text += line("format", fmt::format("GGUF {}, {} keys, {} tensors, {}", file.version(), file.metadata().size(),
                                     file.tensors().size(), format_bytes(file.size_bytes())));
  text += line("name", printable(text_or(file, "general.name", "none given")));
  text += line("architecture", printable(text_or(file, "general.architecture", "none given")));
  text += line("parameters", format_count(static_cast<double>(contents.all.n_parameter)));
  if (contents.model) text += config_lines(**contents.model);
  for (const auto& [name, share] : contents.types)
    text += line(name, fmt::format("{} tensors, {} parameters, {}", share.n_tensor,
                                   format_count(static_cast<double>(share.n_parameter)), format_bytes(share.n_byte)));
  for (const Candidate& fit : contents.fits) text += fit_line(fit);
  if (!contents.model) text += line("cannot be run", contents.model.error().message);
  if (!contents.tokenizer) text += line("takes no text", contents.tokenizer.error().message);
  if (options.metadata) text += metadata_lines(file);
  if (options.tensors) text += tensor_lines(file);
  return text;
}

// A model that this program does not run is no fault of the file; one that contradicts itself is.
const Error* fault(const Contents& contents) {
  const Error* error = !contents.model       ? &contents.model.error()
                       : !contents.tokenizer ? &contents.tokenizer.error()
                                             : nullptr;
  return error != nullptr && error->code != Code::kUnsupported ? error : nullptr;
}

Result<int> run(const Options& options, const Common& common) {
  std::string path = options.path;
  if (path.empty()) {
    ASSIGN_OR_RETURN(path, model_path(common));
  }
  ASSIGN_OR_RETURN(const Contents contents, read(path, common));
  const Error* wrong = fault(contents);
  if (!common.json) {
    RETURN_IF_ERROR(write_stdout(to_text(contents, options)));
    if (wrong != nullptr) return tl::make_unexpected(*wrong);
    return kDone;
  }
  json::object object = to_json(contents, options);
  if (wrong != nullptr) object["error"] = {{"code", code_name(wrong->code)}, {"message", json_text(wrong->message)}};
  RETURN_IF_ERROR(write_json(object));
  if (wrong == nullptr) return kDone;
  print_error(*wrong, false, use_color(common.color));
  return exit_code(wrong->code);
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  add_text(app, "FILE", options->path, "FILE", "A GGUF file (default: that of -m, or the demo model)");
  add_switch(app, "--metadata", options->metadata, "List the metadata, arrays by their first elements");
  add_switch(app, "--tensors", options->tensors, "List the tensors");
  return [options, &common] { return run(*options, common); };
}

}  // namespace
}  // namespace inspect_verb

const Verb kInspect = {"inspect", "Show what a GGUF file holds, and whether it fits here",
                       "Examples:\n"
                       "  tercet inspect model.gguf\n"
                       "  tercet inspect model.gguf --metadata --tensors\n"
                       "  tercet inspect model.gguf --json",
                       inspect_verb::declare};

}  // namespace tercet::cli
