// Answers that have to be of a grammar, beside others that need not.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "engine/engine.h"
#include "engine/fake_backend.h"
#include "grammar/schema.h"
#include "tokenizer/test_vocab.h"

namespace tercet::engine {
namespace {

namespace json = boost::json;

class EngineGrammar : public testing::Test {
 protected:
  EngineGrammar() : tokenizer_(*tokenizer::Tokenizer::from_spec(tokenizer::TestVocab().spec())) {
    vocabulary_ = grammar::Vocabulary::make(*tokenizer_, tokenizer_->vocab_size());
  }

  std::shared_ptr<const grammar::Grammar> grammar_of(std::string_view schema) {
    grammar::GrammarBuilder builder;
    const auto root = grammar::add_schema(builder, json::parse(schema), {.path = "schema"});
    EXPECT_TRUE(root) << root.error().message;
    auto made = builder.finish(*root, vocabulary_);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }

  Request request(uint64_t seed, std::shared_ptr<const grammar::Grammar> its_grammar, int max_output = 400) {
    Request out;
    out.prompt = {1, 2, 3, 4, 5, 6, 7};
    out.sampling.seed = seed;
    out.max_output = max_output;
    out.grammar = std::move(its_grammar);
    return out;
  }

  struct Answer {
    std::string text;
    FinishReason reason = FinishReason::kError;
    int n_token = 0;
  };
  static Callbacks into(Answer& answer) {
    return {.on_token =
                [&answer](const TokenEvent& event) {
                  answer.text += event.text;
                  ++answer.n_token;
                },
            .on_progress = {},
            .on_finish =
                [&answer](const Finished& finished) {
                  answer.text += finished.text;
                  answer.reason = finished.reason;
                }};
  }

  std::unique_ptr<tokenizer::Tokenizer> tokenizer_;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;
};

// Two steps in flight for some, one at a time for the others, who also lose their pages to one another on the way.
TEST_F(EngineGrammar, TextsAreOfTheGrammarWhoeverElseIsServed) {
  const auto numbers = grammar_of(R"({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99},
                                      "minItems": 3, "maxItems": 3})");
  FakeBackend backend({.n_vocab = tokenizer_->vocab_size(), .max_sequence = 6, .n_page = 60});
  Engine engine(backend, tokenizer_.get(), {.n_vocab = tokenizer_->vocab_size(), .n_ctx = 160});
  std::vector<Answer> answers(12);
  for (size_t i = 0; i < answers.size(); ++i)
    ASSERT_TRUE(engine.add(request(i, i % 2 == 0 ? numbers : nullptr, 150), into(answers[i])));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(backend.max_depth, 2U);
  EXPECT_GT(engine.stats().n_preempted, 0);
  EXPECT_TRUE(backend.violations.empty());
  for (size_t i = 0; i < answers.size(); i += 2) {
    EXPECT_NE(answers[i].reason, FinishReason::kError);
    if (answers[i].reason != FinishReason::kStop) continue;
    const json::value value = json::parse(answers[i].text);
    ASSERT_EQ(value.as_array().size(), 3U) << answers[i].text;
    for (const json::value& one : value.as_array()) EXPECT_LE(one.as_int64(), 99);
  }
  // A text is its request's alone.
  Answer alone;
  ASSERT_TRUE(engine.add(request(4, numbers, 150), into(alone)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(alone.text, answers[4].text);
}

TEST_F(EngineGrammar, AnAnswerEndsWhereNothingMoreMayCome) {
  FakeBackend backend({.n_vocab = tokenizer_->vocab_size()});
  Engine engine(backend, tokenizer_.get(), {.n_vocab = tokenizer_->vocab_size()});
  Answer answer, ignoring;
  Request given = request(1, grammar_of(R"({"const": {"a": [1, true, "x\"y"]}})"));
  ASSERT_TRUE(engine.add(given, into(answer)));
  given.ignore_eos = true;
  ASSERT_TRUE(engine.add(given, into(ignoring)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(answer.text, R"({"a":[1,true,"x\"y"]})");
  EXPECT_EQ(answer.reason, FinishReason::kStop);
  EXPECT_EQ(ignoring.text, answer.text);
}

TEST_F(EngineGrammar, AnAnswerThatIsCutSaysSo) {
  FakeBackend backend({.n_vocab = tokenizer_->vocab_size()});
  Engine engine(backend, tokenizer_.get(), {.n_vocab = tokenizer_->vocab_size()});
  Answer answer;
  ASSERT_TRUE(engine.add(request(1, grammar_of(R"({"const": "a long text"})"), 4), into(answer)));
  ASSERT_TRUE(engine.run_until_idle());
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(answer.n_token, 4);
}

TEST_F(EngineGrammar, AnotherVocabularysGrammarIsRefused) {
  FakeBackend backend({});
  Engine engine(backend, tokenizer_.get(), {.n_vocab = 1000});
  EXPECT_FALSE(engine.add(request(1, grammar_of("true")), {}));
}

}  // namespace
}  // namespace tercet::engine
