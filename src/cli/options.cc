#include "cli/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace tercet::cli {
namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string wrong(std::string_view seen, std::string_view wanted) {
  return fmt::format("{}, want {}", seen.empty() ? "nothing" : printable(seen), wanted);
}

// An option of one value that `parse` stores; it gives back an empty string, or what is wrong. CLI11 calls a validator
// once for each value, in order, so that the last one given stays.
CLI::Option* add_parsed(CLI::App& app, const std::string& names, const std::string& metavar, const std::string& help,
                        std::function<std::string(const std::string&)> parse) {
  CLI::Option* option = app.add_option(names, CLI::callback_t{}, help);
  option->type_name(metavar)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  option->check([parse = std::move(parse)](const std::string& text) { return parse(text); });
  return option;
}

}  // namespace

CLI::Option* add_integer(CLI::App& app, const std::string& names, std::optional<int64_t>& target, int64_t least,
                         int64_t most, const std::string& help) {
  return add_parsed(app, names, "N", help, [&target, least, most](const std::string& text) -> std::string {
    const auto value = parse_number<int64_t>(text);
    if (!value || *value < least || *value > most)
      return wrong(text, fmt::format("a whole number, {}..{}", least, most));
    target = value;
    return {};
  });
}

CLI::Option* add_unsigned(CLI::App& app, const std::string& names, std::optional<uint64_t>& target,
                          const std::string& help) {
  return add_parsed(app, names, "N", help, [&target](const std::string& text) -> std::string {
    const auto value = parse_number<uint64_t>(text);
    if (!value) return wrong(text, fmt::format("a whole number, 0..{}", UINT64_MAX));
    target = value;
    return {};
  });
}

CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<float>& target, float least, float most,
                        const std::string& help) {
  return add_parsed(app, names, "X", help, [&target, least, most](const std::string& text) -> std::string {
    const auto value = parse_number<float>(text);
    if (!value || !(*value >= least && *value <= most))
      return wrong(text, fmt::format("a number, {}..{}", least, most));
    target = value;
    return {};
  });
}

CLI::Option* add_text(CLI::App& app, const std::string& names, std::string& target, const std::string& metavar,
                      const std::string& help) {
  return add_parsed(app, names, metavar, help, [&target](const std::string& text) {
    target = text;
    return std::string();
  });
}

CLI::Option* add_text_list(CLI::App& app, const std::string& names, std::vector<std::string>& target,
                           const std::string& metavar, const std::string& help) {
  CLI::Option* option = app.add_option(names, target, help);
  // Without these CLI11 would take several values at a time, and "[a,b]" for a list of two.
  option->type_name(metavar)->expected(1)->allow_extra_args(false)->multi_option_policy(
      CLI::MultiOptionPolicy::TakeAll);
  return option;
}

CLI::Option* add_choice(CLI::App& app, const std::string& names, std::string& target,
                        std::vector<std::string_view> choices, const std::string& help) {
  const std::string metavar = fmt::format("{}", fmt::join(choices, "|"));
  return add_parsed(app, names, metavar, help, [&target, choices](const std::string& text) -> std::string {
    if (std::ranges::find(choices, text) == choices.end())
      return wrong(text, fmt::format("one of {}", fmt::join(choices, ", ")));
    target = text;
    return {};
  });
}

std::optional<bool> parse_switch(std::string_view text) {
  if (text == "1" || text == "true" || text == "on" || text == "yes") return true;
  if (text == "0" || text == "false" || text == "off" || text == "no") return false;
  return std::nullopt;
}

CLI::Option* add_switch(CLI::App& app, const std::string& names, bool& target, const std::string& help) {
  CLI::Option* option = app.add_flag(names);
  option->description(help)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  // CLI11 gives a flag of the command line the value "true".
  option->check([&target](const std::string& text) -> std::string {
    const auto value = parse_switch(text);
    if (!value) return wrong(text, "1 or 0");
    target = *value;
    return {};
  });
  return option;
}

bool is_flag(const CLI::App& app, const CLI::Option* option) {
  return std::ranges::find(app.parse_order(), option) != app.parse_order().end();
}

Result<const CLI::Option*> pick_one(const CLI::App& app, std::initializer_list<const CLI::Option*> options) {
  std::vector<const CLI::Option*> flags;
  std::vector<const CLI::Option*> variables;
  for (const CLI::Option* option : options)
    if (option->count() > 0) (is_flag(app, option) ? flags : variables).push_back(option);
  const auto& given = flags.empty() ? variables : flags;
  if (given.size() > 1)
    return error(Code::kInvalidArgument, "{} and {}: both given, want one of them",
                 flags.empty() ? given[0]->get_envname() : given[0]->get_name(),
                 flags.empty() ? given[1]->get_envname() : given[1]->get_name());
  return given.empty() ? nullptr : given.front();
}

Result<std::vector<int32_t>> parse_ids(std::string_view what, std::string_view text, std::string_view wanted) {
  std::vector<int32_t> ids;
  constexpr std::string_view kSeparators = ", \t\n";
  size_t begin = text.find_first_not_of(kSeparators);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const auto id = parse_number<int32_t>(word);
    if (!id || *id < 0) return error(Code::kInvalidArgument, "{}: {}, want {}", what, printable(word), wanted);
    ids.push_back(*id);
    begin = text.find_first_not_of(kSeparators, end);
  }
  if (ids.empty()) return error(Code::kInvalidArgument, "{}: nothing, want {}", what, wanted);
  return ids;
}

}  // namespace tercet::cli
