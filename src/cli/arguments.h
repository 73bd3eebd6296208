// Owns the command line between main() and CLI11: what CLI11 would take for something else is refused or spelled out
// before it sees it, and what it throws becomes an Error of the program's own form.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "cli/cli11.h"

namespace tercet::cli {

// Gives every option of `app` the environment variable TERCET_ and its long name: --max-tokens, TERCET_MAX_TOKENS.
void add_environment(CLI::App& app);

// Whether the words ask for `name` ("--help", "--json") as a flag, not as another option's value.
bool has_flag(const CLI::App& app, std::span<const std::string> words, const std::string& name);

// Parses the words after the verb and the environment into what the options were declared with. Errors:
// kInvalidArgument, with the option as it was spelled.
Status parse_arguments(CLI::App& app, std::span<const std::string> words);

}  // namespace tercet::cli
