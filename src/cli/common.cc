#include "cli/common.h"

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/cpu_info.h"
#include "base/log.h"
#include "cli/options.h"

namespace tercet::cli {
namespace {

constexpr std::string_view kDemoModel = "demo-moe-coder-34m-q4_k_m.gguf";

constexpr int kMaxThread = 1024;
constexpr int kMaxContext = 1 << 26;

}  // namespace

backend::Precision Common::precision() const {
  if (exact || precision_text == "exact") return backend::Precision::kExact;
  return precision_text == "fast" ? backend::Precision::kFast : backend::Precision::kHigh;
}

int Common::threads() const { return n_thread ? static_cast<int>(*n_thread) : n_usable_cpu(); }

void add_common_options(CLI::App& app, Common& common) {
  const std::string group = "Common options";
  const auto put = [&](CLI::Option* option) { option->group(group); };
  put(add_text(app, "-m,--model", common.model, "FILE",
               "A GGUF file (default: the demo model that ships with tercet)"));
  put(add_choice(app, "--backend", common.backend, {"auto", "cpu", "cuda", "wgpu", "ref"},
                 "What runs the model (default: auto, the best that fits it)"));
  put(add_text(app, "--device", common.device, "N|NAME",
               "Which of the backend's devices, as `tercet devices` lists them"));
  put(add_integer(app, "--threads", common.n_thread, 1, kMaxThread, "CPU threads (default: all cores)"));
  put(add_integer(app, "--ctx", common.n_ctx, 0, kMaxContext,
                  "Tokens of context; 0: the trained length (default: that, or what memory allows)"));
  put(add_choice(app, "--precision", common.precision_text, {"exact", "high", "fast"},
                 "How closely the reference is followed (default: high)"));
  put(add_switch(app, "--exact", common.exact, "--precision exact, for short"));
  put(add_switch(app, "--json", common.json, "The result, or the error, as one JSON object on stdout"));
  put(add_switch(app, "--quiet", common.quiet, "Nothing on stderr but errors"));
  put(add_choice(app, "--log-level", common.log_level, {"trace", "debug", "info", "warn", "error", "off"},
                 "What is logged to stderr (default: warn)"));
  put(add_choice(app, "--color", common.color, {"auto", "always", "never"},
                 "Colour on stderr (default: auto, on a terminal unless NO_COLOR is set)"));
}

Status finish_common_options(const CLI::App& app, Common& common) {
  const CLI::Option* precision = app.get_option("--precision");
  const CLI::Option* exact = app.get_option("--exact");
  // A flag wins over a variable, so --precision fast is not what TERCET_EXACT=1 says.
  if (is_flag(app, precision) && !is_flag(app, exact)) common.exact = false;
  if (common.exact && precision->count() > 0 && is_flag(app, precision) == is_flag(app, exact) &&
      common.precision_text != "exact")
    return error(Code::kInvalidArgument, "--exact and --precision {}: both given, want one of them",
                 common.precision_text);
  return init_log(common.quiet && !is_flag(app, app.get_option("--log-level")) ? "error" : common.log_level);
}

namespace {

// The first of the places, relative to the program's folder, that is there; empty if none is.
template <typename Places>
std::string find_beside(const Places& places) {
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return "";
  for (const std::string& place : places) {
    const auto path = program.parent_path() / place;
    if (std::filesystem::exists(path, failed)) return path.lexically_normal().string();
  }
  return "";
}

}  // namespace

Result<std::string> demo_model_path() {
  std::vector<std::string> places;
  // Installed; then build/tercet and build/asan/tercet in the source tree.
  for (const char* place : {"../share/tercet/models/", "../share/tercet/", "../models/", "../../models/"})
    places.push_back(std::string(place) + std::string(kDemoModel));
  std::string path = find_beside(places);
  if (!path.empty()) return path;
  return with_hint(error(Code::kNotFound, "the demo model: no {} beside the program, want a model", kDemoModel),
                   "name a GGUF file: -m FILE, or TERCET_MODEL=FILE");
}

Result<std::string> contracts_path() {
  std::string path =
      find_beside(std::vector<std::string>{"../share/tercet/contracts", "../contracts", "../../contracts"});
  if (!path.empty()) return path;
  return with_hint(
      error(Code::kNotFound, "the contracts: no folder 'contracts' beside the program, want those that ship"),
      "name one: --contract FILE");
}

Result<std::string> model_path(const Common& common) {
  if (!common.model.empty()) return common.model;
  return demo_model_path();
}

}  // namespace tercet::cli
