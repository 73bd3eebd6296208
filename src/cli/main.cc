// The program: finds the verb, parses its options, runs it, and turns what came of it into an exit code.
#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "cli/arguments.h"
#include "cli/common.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/verb.h"

namespace tercet::cli {
namespace {

constexpr std::array kVerbs = {&kRun, &kServe, &kInspect, &kTokenize, &kTrace, &kBench, &kDevices, &kContract};

std::string program_help() {
  std::string text =
      "Runs mixture-of-experts language models from GGUF files.\nUsage: tercet VERB [OPTIONS]\n\nVerbs:\n";
  for (const Verb* verb : kVerbs) text += fmt::format("  {:<12}{}\n", verb->name, verb->summary);
  text +=
      "\n  tercet VERB --help   what a verb takes\n"
      "  tercet --version     the program's version\n\n"
      "Try: tercet run -p 'Write a Python function that adds two numbers.'\n";
  return text;
}

// CLI11 would repeat the environment's variable on every line; one rule at the end says them all.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
};

void set_up(CLI::App& app, const Verb& verb) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      fmt::format("{}\n\nEvery option can also be set by an environment variable, --log-level by "
                  "TERCET_LOG_LEVEL; a flag wins.",
                  verb.examples));
}

// The last word on --json and --color before they are parsed, for errors of the parsing itself.
bool wants_json(const CLI::App& app, std::span<const std::string> words) {
  const char* variable = std::getenv("TERCET_JSON");
  return has_flag(app, words, "--json") || (variable != nullptr && parse_switch(variable) == true);
}

Result<int> run_verb(CLI::App& app, const Action& action, std::span<const std::string> words, Common& common) {
  if (has_flag(app, words, "--help")) {
    RETURN_IF_ERROR(write_stdout(app.help()));
    return kDone;
  }
  RETURN_IF_ERROR(parse_arguments(app, words));
  RETURN_IF_ERROR(finish_common_options(app, common));
  return action();
}

int finish(const Result<int>& result, bool json, const std::string& color) {
  if (result) return *result;
  print_error(result.error(), json, use_color(color));
  return exit_code(result.error().code);
}

int run_verb(const Verb& verb, std::span<const std::string> words) {
  Common common;
  CLI::App app(std::string(verb.summary), fmt::format("tercet {}", verb.name));
  const Action action = verb.declare(app, common);
  add_common_options(app, common);
  add_environment(app);
  set_up(app, verb);
  const bool json = wants_json(app, words);
  const Result<int> result = run_verb(app, action, words, common);
  return finish(result, json || common.json, common.color);
}

int run_program(std::span<const std::string> words) {
  const std::string first = words.empty() ? "" : words.front();
  if (first == "--help" || first == "-h" || first == "help")
    return finish(write_stdout(program_help()).map([] { return kDone; }), false, "auto");
  if (first == "--version")
    return finish(write_stdout(fmt::format("tercet {}\n", TERCET_VERSION)).map([] { return kDone; }), false, "auto");
  for (const Verb* verb : kVerbs)
    if (verb->name == first) return run_verb(*verb, words.subspan(1));

  std::string names;
  for (const Verb* verb : kVerbs) names += fmt::format("{}{}", names.empty() ? "" : ", ", verb->name);
  const auto wrong = with_hint(error(Code::kInvalidArgument, "{}, want one of {}",
                                     first.empty() ? "no verb" : "verb: " + printable(first), names),
                               "tercet --help");
  return finish(wrong, false, "auto");
}

}  // namespace
}  // namespace tercet::cli

int main(int argc, char** argv) {
  // A closed pipe and a file grown to its limit are errors that a write reports, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  try {
    return tercet::cli::run_program(words);
  } catch (const std::bad_alloc&) {
    tercet::cli::print_error({tercet::Code::kOutOfMemory, "memory: none left, want more of it, or less context", {}},
                             false, false);
    return tercet::cli::kFailed;
  } catch (const std::exception& e) {
    // A library's, such as a thread that the system refuses to start.
    tercet::cli::print_error({tercet::Code::kIo, e.what(), {}}, false, false);
    return tercet::cli::kFailed;
  }
}
