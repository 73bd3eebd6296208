// Owns how the verbs declare options on CLI11. A value is checked while the command line is parsed, and a wrong one is
// always told in the same form: `--threads: -1, want a whole number, 1..1024`. Given twice, an option's last value
// counts, but for lists.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/cli11.h"

namespace tercet::cli {

// `names` as CLI11 takes them: "-n,--max-tokens". `metavar` stands for the value in the help.

// Whole numbers from `least` to `most`.
CLI::Option* add_integer(CLI::App& app, const std::string& names, std::optional<int64_t>& target, int64_t least,
                         int64_t most, const std::string& help);
CLI::Option* add_unsigned(CLI::App& app, const std::string& names, std::optional<uint64_t>& target,
                          const std::string& help);
// Decimal numbers from `least` to `most`; neither NaN nor an infinity.
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<float>& target, float least, float most,
                        const std::string& help);
CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& target, const std::string& metavar,
                      const std::string& help);
// May be given several times.
CLI::Option* add_text_list(CLI::App& app, const std::string& names, std::vector<std::string>& target,
                           const std::string& metavar, const std::string& help);
CLI::Option* add_choice(CLI::App& app, const std::string& names, std::string& target,
                        std::vector<std::string_view> choices, const std::string& help);
// On the command line without a value; from the environment 1 or 0, true or false, on or off, yes or no.
std::optional<bool> parse_switch(std::string_view text);
CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& target, const std::string& help);

// Of options that exclude each other, those that count: one from the command line wins over those from the environment.
// The one that was given, or nullptr if none was. Errors: kInvalidArgument if two were given in the same way.
Result<const CLI::Option*> pick_one(const CLI::App& app, std::initializer_list<const CLI::Option*> options);

// Whether the option stood on the command line, not only in the environment.
bool is_flag(const CLI::App& app, const CLI::Option* option);

// "785,921,308", also with spaces: token ids, or another list of whole numbers from 0. Errors: kInvalidArgument, with
// `what` as the thing's name.
inline constexpr std::string_view kWantIds = "token ids: whole numbers from 0, such as 785,921,308";
Result<std::vector<int32_t>> parse_ids(std::string_view what, std::string_view text,
                                       std::string_view wanted = kWantIds);

}  // namespace tercet::cli
