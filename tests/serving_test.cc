// The engine on the real CPU backend: many sequences that come and go, each with the text it would have had alone.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "cpu/cpu.h"
#include "engine/engine.h"
#include "ref/ref.h"
#include "support/demo.h"
#include "tokenizer/tokenizer.h"

namespace tercet::tests {
namespace {

using backend::Precision;
using Texts = std::map<int, std::vector<TokenId>>;

engine::Request request_of(int i) {
  const auto text = long_prompt(1000);
  engine::Request request;
  const int n_prompt = 3 + (i * 37) % (kSanitized ? 30 : 90);
  request.prompt.assign(text.begin() + i * 11, text.begin() + i * 11 + n_prompt);
  request.max_output = 5 + (i * 7) % 20;
  request.ignore_eos = true;
  request.sampling.temperature = i % 3 == 0 ? 0.0F : 0.9F;
  request.sampling.top_k = i % 4 == 1 ? 20 : 0;
  request.sampling.top_p = i % 4 == 2 ? 0.8F : 1.0F;
  request.sampling.repeat_penalty = i % 5 == 3 ? 1.2F : 1.0F;
  request.sampling.seed = 1000 + static_cast<uint64_t>(i);
  return request;
}

backend::Options few_pages(int n_page, int n_thread) {
  backend::Options options;
  options.n_thread = n_thread;
  options.max_row = 48;
  options.max_sequence = 8;
  options.n_page = n_page;
  return options;
}

Texts serve(backend::Backend& backend, const std::vector<int>& who, std::mt19937* random) {
  engine::Engine engine(backend, nullptr, {demo_model()->config.n_vocab, 128, 0});
  Texts texts;
  size_t next = 0;
  for (bool more = true; more || next < who.size();) {
    while (next < who.size() && (random == nullptr || (*random)() % 3 == 0 || !more)) {
      const int i = who[next++];
      engine::Callbacks callbacks;
      callbacks.on_token = [&texts, i](const engine::TokenEvent& event) { texts[i].push_back(event.token); };
      EXPECT_TRUE(engine.add(request_of(i), callbacks));
      if (random != nullptr) break;
    }
    const auto stepped = engine.step();
    EXPECT_TRUE(stepped);
    if (!stepped) break;
    more = *stepped;
  }
  return texts;
}

TEST(Serving, TwentySequencesThatJoinAndLeave) {
  const unsigned seed = 99;
  std::mt19937 random(seed);
  std::vector<int> everybody;
  for (int i = 0; i < 20; ++i) everybody.push_back(i);
  // Nine pages are far too few for eight sequences of up to two pages: some are put off and computed again.
  const auto together = make_backend(cpu::kFactory, demo_model(), few_pages(9, 2));
  const Texts texts = serve(*together, everybody, &random);
  ASSERT_EQ(texts.size(), 20u);
  for (const int i : everybody) {
    const auto alone = make_backend(cpu::kFactory, demo_model(), few_pages(2, 1 + i % 3));
    EXPECT_EQ(serve(*alone, {i}, nullptr).at(i), texts.at(i)) << "seed " << seed << " sequence " << i;
  }
}

TEST(Serving, SameSeedSameTextAndAnotherSeedAnother) {
  const auto one = make_backend(cpu::kFactory, demo_model(), few_pages(2, 1));
  const auto three = make_backend(cpu::kFactory, demo_model(), few_pages(2, 3));
  const auto text = [&](backend::Backend& backend, uint64_t seed) {
    engine::Engine engine(backend, nullptr, {demo_model()->config.n_vocab, 128, 0});
    engine::Request request = request_of(1);
    request.max_output = 24;
    request.sampling = {};
    request.sampling.temperature = 1.5F;
    request.sampling.seed = seed;
    std::vector<TokenId> out;
    EXPECT_TRUE(engine.add(request, {.on_token = [&](const engine::TokenEvent& e) { out.push_back(e.token); }}));
    EXPECT_TRUE(engine.run_until_idle());
    return out;
  };
  EXPECT_EQ(text(*one, 5), text(*three, 5));
  EXPECT_NE(text(*one, 5), text(*one, 6));
}

// The engine on the judge: Hugging Face's greedy text, with two steps in flight and the real tokenizer's end tokens.
TEST(Serving, ReferenceTextThroughTheEngine) {
  const auto model = demo_model();
  const auto tokenizer = tokenizer::Tokenizer::from_gguf(*model->file);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const GoldenCase& golden = golden_cases().front();
  for (const bool ignore_eos : {true, false}) {
    backend::Options options = few_pages(2, 2);
    options.precision = Precision::kExact;
    const auto backend = make_backend(cpu::kFactory, model, options);
    engine::Engine engine(*backend, tokenizer->get(), {model->config.n_vocab, 128, 0});
    engine::Request request;
    request.prompt = golden.ids;
    request.max_output = static_cast<int>(golden.greedy_ids.size());
    request.ignore_eos = ignore_eos;
    std::vector<TokenId> out;
    engine::FinishReason reason = engine::FinishReason::kError;
    ASSERT_TRUE(engine.add(request, {.on_token = [&](const engine::TokenEvent& e) { out.push_back(e.token); },
                                     .on_finish = [&](const engine::Finished& f) { reason = f.reason; }}));
    ASSERT_TRUE(engine.run_until_idle());
    const auto ends = (*tokenizer)->end_tokens();
    const auto is_end = [&](TokenId id) { return std::find(ends.begin(), ends.end(), id) != ends.end(); };
    const auto end = std::find_if(golden.greedy_ids.begin(), golden.greedy_ids.end(), is_end);
    const std::vector<TokenId> wanted(golden.greedy_ids.begin(), ignore_eos ? golden.greedy_ids.end() : end);
    EXPECT_EQ(out, wanted);
    const bool stops = !ignore_eos && end != golden.greedy_ids.end();
    EXPECT_EQ(reason, stops ? engine::FinishReason::kStop : engine::FinishReason::kLength);
  }
}

}  // namespace
}  // namespace tercet::tests
