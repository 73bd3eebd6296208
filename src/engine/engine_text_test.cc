#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/engine.h"
#include "engine/fake_backend.h"
#include "tokenizer/byte_level.h"

namespace tercet::engine {
namespace {

constexpr TokenId kEnd = 256;
constexpr TokenId kOther = 257;  // "other", one token
constexpr int kVocab = 300;      // padded beyond the tokenizer's 258

// Every byte is a token of its own, so that any text can be cut anywhere.
std::unique_ptr<tokenizer::Tokenizer> byte_tokenizer() {
  std::vector<std::string> spellings;
  for (int byte = 0; byte < 256; ++byte)
    spellings.push_back(tokenizer::byte_spelling(static_cast<unsigned char>(byte)));
  spellings.emplace_back("<|im_end|>");
  spellings.emplace_back("other");
  tokenizer::VocabSpec spec;
  spec.tokens.assign(spellings.begin(), spellings.end());
  spec.token_type.assign(258, 1);
  spec.token_type[256] = 3;
  spec.merges = {"o t", "h e", "he r", "ot her"};
  // The merges' results have to be in the vocabulary.
  const std::vector<std::string> made = {"ot", "he", "her"};
  for (const std::string& m : made) spec.tokens.push_back(m);
  spec.token_type.resize(spec.tokens.size(), 1);
  spec.eos_token_id = 256;
  auto made_tokenizer = tokenizer::Tokenizer::from_spec(spec);
  EXPECT_TRUE(made_tokenizer) << made_tokenizer.error().message;
  return std::move(*made_tokenizer);
}

struct Text {
  std::string text;
  std::vector<std::string> pieces;
  std::vector<TokenId> tokens;
  FinishReason reason = FinishReason::kError;
  std::optional<TokenId> stop_token;
  std::string stop_string;
};

// What a request gives when the model says exactly `script` (and kEnd after it).
Text answer(const std::vector<TokenId>& script, Request request) {
  static const auto tokenizer = byte_tokenizer();
  FakeBackend backend({.n_vocab = kVocab, .n_page = 1000});
  backend.rule = [&](std::span<const TokenId>, const backend::Output& output, TokenId) {
    return output.random_counter < script.size() ? script[output.random_counter] : kEnd;
  };
  Engine engine(backend, tokenizer.get(), {.n_vocab = kVocab});
  Text out;
  request.prompt = {1, 2, 3};
  const auto take = [&](std::string_view text) {
    out.text += text;
    if (!text.empty()) out.pieces.emplace_back(text);
  };
  const auto id = engine.add(request, {.on_token =
                                           [&](const TokenEvent& event) {
                                             out.tokens.push_back(event.token);
                                             take(event.text);
                                           },
                                       .on_finish =
                                           [&](const Finished& finished) {
                                             take(finished.text);
                                             out.reason = finished.reason;
                                             out.stop_token = finished.stop_token;
                                             out.stop_string = finished.stop_string;
                                           }});
  EXPECT_TRUE(id) << id.error().message;
  EXPECT_TRUE(engine.run_until_idle());
  EXPECT_TRUE(backend.violations.empty());
  EXPECT_EQ(engine.stats().n_page_free, 1000);
  return out;
}

std::vector<TokenId> bytes(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

Request stopping_at(std::vector<std::string> stop) {
  Request request;
  request.stop = std::move(stop);
  request.max_output = 200;
  return request;
}

// Each piece of valid text has to be valid by itself.
bool is_whole(std::string_view piece) {
  size_t i = 0;
  while (i < piece.size()) {
    const auto lead = static_cast<unsigned char>(piece[i]);
    const size_t n = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (n == 0 || i + n > piece.size()) return false;
    for (size_t k = 1; k < n; ++k)
      if ((static_cast<unsigned char>(piece[i + k]) & 0xC0) != 0x80) return false;
    i += n;
  }
  return true;
}

TEST(EngineText, AnEndTokenStopsAndIsNoText) {
  const Text out = answer(bytes("hello"), {});
  EXPECT_EQ(out.text, "hello");
  EXPECT_EQ(out.tokens, bytes("hello"));
  EXPECT_EQ(out.reason, FinishReason::kStop);
  EXPECT_EQ(out.stop_token, kEnd);
  EXPECT_EQ(out.stop_string, "");
}

TEST(EngineText, AnEndTokenAtOnceGivesAnEmptyAnswer) {
  const Text out = answer({}, {});
  EXPECT_EQ(out.text, "");
  EXPECT_TRUE(out.tokens.empty());
  EXPECT_EQ(out.reason, FinishReason::kStop);
}

TEST(EngineText, IgnoredEndTokensComeOutLikeOthers) {
  Request request;
  request.ignore_eos = true;
  request.max_output = 4;
  const Text out = answer({'a', kEnd, 'b'}, request);
  EXPECT_EQ(out.tokens, (std::vector<TokenId>{'a', kEnd, 'b', kEnd}));
  EXPECT_EQ(out.text, "a<|im_end|>b<|im_end|>");
  EXPECT_EQ(out.reason, FinishReason::kLength);
}

TEST(EngineText, CodePointsComeOutWhole) {
  const std::string text = "a\u00e9\u4e16\U0001F600z";
  const Text out = answer(bytes(text), {});
  EXPECT_EQ(out.pieces, (std::vector<std::string>{"a", "\u00e9", "\u4e16", "\U0001F600", "z"}));
}

TEST(EngineText, AnAnswerCutInsideACodePointKeepsItsBytes) {
  Request request;
  request.max_output = 3;
  EXPECT_EQ(answer(bytes("a\U0001F600"), request).text, "a\xF0\x9F");
}

TEST(EngineText, IdsBeyondTheTokenizerHaveNoText) {
  const Text out = answer({'a', 299, 'b'}, {});
  EXPECT_EQ(out.text, "ab");
  EXPECT_EQ(out.tokens, (std::vector<TokenId>{'a', 299, 'b'}));
}

TEST(EngineText, AStopStringThatSpansTokensNeverComesOut) {
  const Text out = answer(bytes("code```rest"), stopping_at({"```"}));
  EXPECT_EQ(out.text, "code");
  EXPECT_EQ(out.reason, FinishReason::kStop);
  EXPECT_EQ(out.stop_string, "```");
  EXPECT_FALSE(out.stop_token);
  EXPECT_EQ(out.tokens, bytes("code```"));
}

TEST(EngineText, AStopStringInsideATokenCutsIt) {
  const Text out = answer({'x', kOther, 'y'}, stopping_at({"he"}));
  EXPECT_EQ(out.text, "xot");
  EXPECT_EQ(out.reason, FinishReason::kStop);
}

TEST(EngineText, WhatOnlyLookedLikeAStopStringComesOutAtTheEnd) {
  EXPECT_EQ(answer(bytes("a``b"), stopping_at({"```"})).text, "a``b");
  EXPECT_EQ(answer(bytes("a``"), stopping_at({"```"})).text, "a``");
  Request request = stopping_at({"```"});
  request.max_output = 3;
  const Text cut = answer(bytes("a````"), request);
  EXPECT_EQ(cut.text, "a``");
  EXPECT_EQ(cut.reason, FinishReason::kLength);
}

TEST(EngineText, RandomTextsAreCutAtTheFirstStopStringAndNeverInsideACodePoint) {
  constexpr uint32_t kSeed = 4;
  std::mt19937 random(kSeed);
  const std::vector<std::string> letters = {"a", "b", "\u00e9", "\u00e8", "\u4e16", "\U0001F600"};
  const auto words = [&](size_t n_max) {
    std::string text;
    for (size_t n = 1 + random() % n_max; n > 0; --n) text += letters[random() % letters.size()];
    return text;
  };
  for (int i = 0; i < 300; ++i) {
    const std::string text = words(40);
    std::vector<std::string> stops;
    for (size_t n = random() % 4; n > 0; --n) stops.push_back(words(4));
    std::pair<size_t, size_t> cut = {text.size() + 1, text.size()};  // end and start of the first that is complete
    for (const std::string& stop : stops) {
      if (const size_t at = text.find(stop); at != std::string::npos) cut = std::min(cut, {at + stop.size(), at});
    }
    const Text out = answer(bytes(text), stopping_at(stops));
    ASSERT_EQ(out.text, text.substr(0, cut.second)) << "seed " << kSeed << " case " << i;
    for (const std::string& piece : out.pieces) ASSERT_TRUE(is_whole(piece)) << "seed " << kSeed << " case " << i;
  }
}

}  // namespace
}  // namespace tercet::engine
