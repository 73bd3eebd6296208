#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>

#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "tokenizer/nfc.h"
#include "tokenizer/test_vocab.h"

namespace tercet::tokenizer {
namespace {

constexpr uint32_t kSeed = 5;

std::vector<std::string> pieces(const Tokenizer& tokenizer, std::string_view text, bool parse_special = true) {
  std::vector<std::string> pieces;
  for (const TokenId id : tokenizer.encode(text, parse_special)) pieces.emplace_back(*tokenizer.piece(id));
  return pieces;
}

using Pieces = std::vector<std::string>;

TEST(Tokenizer, AddedTokensAreCutOutOfTheText) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  EXPECT_EQ(pieces(*tokenizer, "aa<|im_end|> a<think>"), (Pieces{"aa", "<|im_end|>", "Ġa", "<think>"}));
  EXPECT_EQ(pieces(*tokenizer, "<<think>"), (Pieces{"<", "<think>"}));
  EXPECT_EQ(pieces(*tokenizer, "<think"), (Pieces{"<", "t", "h", "i", "n", "k"}));
  EXPECT_EQ(pieces(*tokenizer, "a<think>\u0301"), (Pieces{"a", "<think>", "Ì", "ģ"})) << "normalised apart";
  EXPECT_EQ(pieces(*tokenizer, "[PAD0]"), (Pieces{"[", "P", "A", "D", "0", "]"})) << "unused tokens are no text";
  EXPECT_TRUE(tokenizer->encode("", true).empty());
}

TEST(Tokenizer, WithoutParseSpecialControlTokensAreText) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  for (const TokenId id : tokenizer->encode("a<|im_end|>b<|endoftext|>", false))
    EXPECT_FALSE(tokenizer->is_control(id));
  EXPECT_EQ(pieces(*tokenizer, "a<think>", false), (Pieces{"a", "<think>"})) << "user-defined ones are still tokens";
}

TEST(Tokenizer, TheLongestAddedTokenWins) {
  TestVocab vocab;
  vocab.add("<t", TokenType::kUserDefined);
  vocab.add("<think>ing", TokenType::kControl);
  const auto tokenizer = *Tokenizer::from_spec(vocab.spec());
  EXPECT_EQ(pieces(*tokenizer, "<think>ing<think>in<thin"),
            (Pieces{"<think>ing", "<think>", "i", "n", "<t", "h", "i", "n"}));
  EXPECT_EQ(pieces(*tokenizer, "<think>ing", false).front(), "<") << "a control token hides what is within it";
}

TEST(Tokenizer, EndTokensAreTheFilesAndTheFamilys) {
  const TestVocab vocab;
  VocabSpec spec = vocab.spec();
  spec.eos_token_id = 3;
  spec.eot_token_id = 266;  // <|im_end|> again
  spec.eom_token_id = 1;
  spec.bos_token_id = 267;
  spec.padding_token_id = 269;
  spec.add_bos_token = true;
  const auto tokenizer = *Tokenizer::from_spec(spec);
  EXPECT_TRUE(std::ranges::equal(tokenizer->end_tokens(), std::vector<TokenId>{1, 3, 266, 267}));
  EXPECT_EQ(tokenizer->bos(), 267);
  EXPECT_EQ(tokenizer->padding(), 269);
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->vocab_size(), 270);
  EXPECT_EQ(tokenizer->find("ĠĠ"), 260);
  EXPECT_EQ(tokenizer->find("nothing"), std::nullopt);
}

TEST(Tokenizer, IdsOutOfRangeAreErrors) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  for (const TokenId id : {-1, 270, INT32_MAX}) {
    EXPECT_FALSE(tokenizer->piece(id));
    EXPECT_FALSE(tokenizer->token_bytes(id));
    EXPECT_FALSE(tokenizer->decode(std::vector<TokenId>{0, id}));
    EXPECT_FALSE(tokenizer->is_control(id));
  }
  EXPECT_EQ(tokenizer->decode(std::vector<TokenId>{785}).error().message, "token id: 785, want 0..269");
}

// Random bytes, many of them in UTF-8: decode gives back what went in, in NFC where it was UTF-8.
TEST(Tokenizer, DecodeIsTheInverse) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  const std::vector<std::string> units = {
      "a",       "aa",   "b",    "c",    " ",        "  ",         "\n",          "e\u0301",
      "é",       "中",   "\xE9", "\xF0", "\x9F\x98", "\u0323",     "'s",          std::string("\0x", 2),
      "<think>", "<|im", "\xCC", "\x81", "\xED\xA0", "\U0001F600", "\u1100\u1161"};
  std::mt19937 random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t n = random() % 30; n > 0; --n) text += units[random() % units.size()];
    std::string storage;
    const std::string wanted(to_nfc(text, storage));
    ASSERT_EQ(*tokenizer->decode(tokenizer->encode(text, true)), wanted) << "seed " << kSeed << " round " << round;
  }
}

TEST(Tokenizer, ManyThreadsMayEncode) {
  const auto tokenizer = *Tokenizer::from_spec(TestVocab().spec());
  std::string text(500, 'a');
  text += " bc e\u0301<think> abc\n";
  const auto wanted = tokenizer->encode(text, true);
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (int& count : equal) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer->encode(text, true) == wanted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, (std::vector<int>(4, 200)));
}

// A GGUF file in memory that holds what `fill` writes, and the message of what came of it.
std::string from_gguf_message(const std::function<void(gguf::Writer&)>& fill) {
  gguf::Writer writer;
  fill(writer);
  const auto bytes = *writer.to_bytes();
  const auto file = gguf::File::from_memory(bytes, "m.gguf");
  if (!file) return file.error().message;
  const auto tokenizer = Tokenizer::from_gguf(**file);
  return tokenizer ? "" : tokenizer.error().message;
}

void add_names(gguf::Writer& writer, std::string_view model, std::string_view pre) {
  writer.add("tokenizer.ggml.model", model);
  writer.add("tokenizer.ggml.pre", pre);
}

TEST(TokenizerFromGguf, ReadsTheKeys) {
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) {
              const TestVocab vocab;
              add_names(writer, "gpt2", "qwen2");
              writer.add_array("tokenizer.ggml.tokens", vocab.tokens);
              writer.add_array("tokenizer.ggml.token_type", vocab.types);
              writer.add_array("tokenizer.ggml.merges", vocab.merges);
              writer.add("tokenizer.ggml.eos_token_id", uint32_t{266});
            }),
            "");
}

TEST(TokenizerFromGguf, OtherTokenizersAreRefusedByName) {
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) { add_names(writer, "llama", "qwen2"); }),
            "m.gguf: tokenizer.ggml.model is 'llama', want one of: gpt2");
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) { add_names(writer, "gpt2", "llama-bpe"); }),
            "m.gguf: tokenizer.ggml.pre is 'llama-bpe', want one of: qwen2");
}

TEST(TokenizerFromGguf, WhatIsMissingOrWrongIsNamed) {
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) { writer.add("tokenizer.ggml.model", "gpt2"); }),
            "m.gguf: key 'tokenizer.ggml.pre': missing, want a string");
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) {
              add_names(writer, "gpt2", "qwen2");
              writer.add_array("tokenizer.ggml.tokens", TestVocab().tokens);
            }),
            "m.gguf: key 'tokenizer.ggml.merges': missing, want an array of strings");
  EXPECT_EQ(from_gguf_message([](gguf::Writer& writer) {
              const TestVocab vocab;
              add_names(writer, "gpt2", "qwen2");
              writer.add_array("tokenizer.ggml.tokens", vocab.tokens);
              writer.add_array("tokenizer.ggml.merges", vocab.merges);
              writer.add("tokenizer.ggml.eos_token_id", uint32_t{9999});
            }),
            "m.gguf: tokenizer.ggml.eos_token_id: 9999, want a token id below 270");
}

}  // namespace
}  // namespace tercet::tokenizer
