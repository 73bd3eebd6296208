// Owns the way from what the user typed to the token ids that a model is given: --tokens, raw text, or text in the
// model's chat template.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/cli11.h"
#include "cli/load.h"
#include "cli/text_input.h"

namespace tercet::cli {

class Prompt {
 public:
  // Declares -p, -f, --tokens, --raw and --system on `app`. All must outlive ids().
  void declare(CLI::App& app);

  // The prompt's ids, at least one, all of the model's vocabulary. Errors: kInvalidArgument (nothing given, or things
  // that exclude each other, an id out of range, no chat template); those of TextInput and of the template.
  Result<std::vector<tokenizer::TokenId>> ids(const OpenModel& opened) const;

 private:
  Result<std::vector<tokenizer::TokenId>> given_ids(const OpenModel& opened) const;
  Result<std::string> in_chat_template(const OpenModel& opened, const std::string& text) const;

  const CLI::App* app_ = nullptr;
  TextInput input_;
  std::string tokens_;
  const CLI::Option* tokens_option_ = nullptr;
  const CLI::Option* raw_option_ = nullptr;
  const CLI::Option* system_option_ = nullptr;
  bool raw_ = false;
  std::string system_;
};

}  // namespace tercet::cli
