#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/options.h"

namespace tercet::cli {
namespace {

// A word of the command line, seen as CLI11 will see it.
struct Word {
  enum class Kind { kOption, kValue, kUnknownOption, kSingleDash };
  Kind kind;
  std::string text;  // an option's name as it was spelled; a value
  CLI::Option* option = nullptr;
};

bool takes_value(const CLI::Option* option) { return option->get_items_expected_max() > 0; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// CLI11 gives options in no constant form, and changes nothing by it.
CLI::Option* find_option(const CLI::App& app, const std::string& name) {
  return const_cast<CLI::Option*>(app.get_option_no_throw(name));
}

// Splits one word that begins with a dash. "--name=value" and "-n128" are two words: CLI11 would not see an empty value,
// and would take "-ngl" for "-n gl".
std::vector<Word> split_dashed(const CLI::App& app, const std::string& word) {
  using Kind = Word::Kind;
  if (word.starts_with("--")) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    CLI::Option* option = find_option(app, name);
    if (option == nullptr) return {{Kind::kUnknownOption, name}};
    if (equals == std::string::npos || !takes_value(option)) return {{Kind::kOption, word, option}};
    return {{Kind::kOption, name, option}, {Kind::kValue, word.substr(equals + 1)}};
  }
  const std::string name = word.substr(0, 2);
  CLI::Option* option = find_option(app, name);
  if (word.size() == 2) return {{option == nullptr ? Kind::kUnknownOption : Kind::kOption, word, option}};
  if (option != nullptr && takes_value(option) && is_digit(word[2]))
    return {{Kind::kOption, name, option}, {Kind::kValue, word.substr(2)}};
  if (is_digit(word[1])) return {{Kind::kValue, word}};  // a negative number
  return {{Kind::kSingleDash, word.substr(0, word.find('='))}};
}

std::vector<Word> split(const CLI::App& app, std::span<const std::string> words) {
  using Kind = Word::Kind;
  std::vector<Word> out;
  bool only_values = false;  // after "--"
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_values || word.size() < 2 || word[0] != '-') {
      out.push_back({Kind::kValue, word});
    } else if (word == "--") {
      only_values = true;
      out.push_back({Kind::kValue, word});
    } else {
      const size_t n_before = out.size();
      for (Word& part : split_dashed(app, word)) out.push_back(std::move(part));
      // The next word is this option's value, whatever it looks like.
      const Word& last = out.back();
      const bool wants_value = out.size() == n_before + 1 && last.kind == Kind::kOption && takes_value(last.option);
      if (wants_value && i + 1 < words.size()) out.push_back({Kind::kValue, words[++i]});
    }
  }
  return out;
}

// What people who come from llama.cpp type, and what it is here.
std::string hint_for(const CLI::App& app, std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kHints[] = {
      {"-ngl", "where layers live is decided when a model is loaded; --backend and --device choose what runs it"},
      {"-hf", "tercet downloads nothing; give a GGUF file: -m FILE"},
      {"-mu", "tercet downloads nothing; give a GGUF file: -m FILE"},
      {"-sys", "--system TEXT"},
      {"-sysf", "--system TEXT"},
      {"-tb", "--threads N"},
      {"-fa", "attention is always computed by pages; there is nothing to switch on"},
      {"-ctk", "the KV cache's type follows from --precision"},
      {"-ctv", "the KV cache's type follows from --precision"},
      {"-dev", "--device N|NAME"},
  };
  for (const auto& [flag, hint] : kHints)
    if (word == flag) return std::string(hint);
  return fmt::format("{} --help", app.get_name());
}

// The declared option that a misspelled one is nearest to: at most two letters away.
std::optional<std::string> nearest(const CLI::App& app, const std::string& name) {
  const auto distance = [](std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      size_t diagonal = std::exchange(row[0], i);
      for (size_t j = 1; j <= b.size(); ++j) {
        const size_t cost = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, cost}));
      }
    }
    return row[b.size()];
  };
  std::optional<std::string> best;
  size_t best_distance = 3;
  if (name.size() > 64) return best;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& long_name : option->get_lnames()) {
      const size_t d = distance(name, "--" + long_name);
      if (d < best_distance) {
        best_distance = d;
        best = "--" + long_name;
      }
    }
  }
  return best;
}

Status refuse(const CLI::App& app, const Word& word) {
  if (word.kind == Word::Kind::kSingleDash)
    return with_hint(error(Code::kInvalidArgument, "{}: a single dash with several letters, want --NAME, or one letter",
                           printable(word.text)),
                     hint_for(app, word.text));
  const auto near = nearest(app, word.text);
  return with_hint(error(Code::kInvalidArgument, "{}: no such option, want one that `{} --help` lists",
                         printable(word.text), app.get_name()),
                   near ? fmt::format("did you mean {}?", *near) : fmt::format("{} --help", app.get_name()));
}

// CLI11 names an option by its first long name; the user may have spelled it otherwise, or set a variable.
std::string as_given(const CLI::App& app, const std::string& name, const std::vector<Word>& words) {
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option == nullptr) return name;
  for (const Word& word : words | std::views::reverse)
    if (word.option == option) return word.text;
  return option->get_envname().empty() ? name : option->get_envname();
}

Status run_parser(CLI::App& app, const std::vector<Word>& words) {
  std::vector<std::string> reversed;
  for (const Word& word : words | std::views::reverse) reversed.push_back(word.text);
  const auto help = fmt::format("{} --help", app.get_name());
  try {
    app.parse(reversed);
  } catch (const CLI::ValidationError& e) {
    // "--name: " and what a check of options.cc said.
    const std::string text = e.what();
    const size_t colon = text.find(": ");
    return with_hint(
        error(Code::kInvalidArgument, "{}: {}", as_given(app, text.substr(0, colon), words), text.substr(colon + 2)),
        help);
  } catch (const CLI::ArgumentMismatch& e) {
    const std::string text = e.what();
    return with_hint(
        error(Code::kInvalidArgument, "{}: no value, want one", as_given(app, text.substr(0, text.find(": ")), words)),
        help);
  } catch (const CLI::ExtrasError&) {
    return with_hint(error(Code::kInvalidArgument, "{}: a word too many, want options only",
                           printable(app.remaining().empty() ? "" : app.remaining().front())),
                     help);
  } catch (const CLI::Error& e) {
    return with_hint(error(Code::kInvalidArgument, "{}", printable(e.what(), 200)), help);
  }
  return {};
}

}  // namespace

void add_environment(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option == app.get_help_ptr()) continue;
    std::string name = "TERCET_" + option->get_lnames().front();
    for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    option->envname(name);
  }
}

bool has_flag(const CLI::App& app, std::span<const std::string> words, const std::string& name) {
  return std::ranges::any_of(split(app, words), [&](const Word& word) {
    return word.kind == Word::Kind::kOption && word.option->check_name(name);
  });
}

Status parse_arguments(CLI::App& app, std::span<const std::string> words) {
  const std::vector<Word> split_words = split(app, words);
  for (const Word& word : split_words)
    if (word.kind == Word::Kind::kUnknownOption || word.kind == Word::Kind::kSingleDash) return refuse(app, word);
  return run_parser(app, split_words);
}

}  // namespace tercet::cli
