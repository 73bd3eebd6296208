// Owns a small vocabulary for tests and fuzzing: the 256 bytes, some merges, two control tokens, one user-defined.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

namespace tercet::tokenizer {

// Strings that a VocabSpec can view; a test breaks one of them before it asks for the spec.
struct TestVocab {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<std::string> merges;

  TestVocab() {
    for (int b = 0; b < 256; ++b) add(byte_spelling(static_cast<unsigned char>(b)), TokenType::kNormal);
    for (const auto& [left, right] : {std::pair{"a", "a"},
                                      {"aa", "aa"},
                                      {"b", "c"},
                                      {"a", "b"},
                                      {"Ġ", "Ġ"},
                                      {"Ġ", "a"},
                                      {"Ã", "©"},
                                      {"ab", "c"},
                                      {"ĠĠ", "ĠĠ"},
                                      {"aa", "a"}}) {
      merges.push_back(std::string(left) + " " + right);
      add(std::string(left) + right, TokenType::kNormal);
    }
    add("<|im_end|>", TokenType::kControl);
    add("<|endoftext|>", TokenType::kControl);
    add("<think>", TokenType::kUserDefined);
    add("[PAD0]", TokenType::kUnused);
  }

  void add(std::string spelling, TokenType type) {
    tokens.push_back(std::move(spelling));
    types.push_back(static_cast<int32_t>(type));
  }

  VocabSpec spec() const {
    VocabSpec spec;
    spec.tokens.assign(tokens.begin(), tokens.end());
    spec.token_type = types;
    spec.merges.assign(merges.begin(), merges.end());
    return spec;
  }
};

}  // namespace tercet::tokenizer
