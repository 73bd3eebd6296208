// Owns what the whole-model tests share: the demo model, its Hugging Face logits, and a prompt's run through a backend.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/sanitized.h"
#include "model/weights.h"

namespace tercet::tests {

using backend::TokenId;

// Loaded once a process; a failure ends the test program with its message.
std::shared_ptr<const model::Model> demo_model();
std::shared_ptr<const model::Model> open_model(const std::string& path);
std::string source_path(const std::string& relative);

struct GoldenCase {
  std::string name;
  std::vector<TokenId> ids;
  std::vector<TokenId> greedy_ids;
  std::vector<float> logits;  // [ids, n_vocab], float32 of Hugging Face transformers
};
const std::vector<GoldenCase>& golden_cases();

// Options with room for one sequence of this many tokens.
backend::Options options_for(int n_token, backend::Precision precision, int n_thread = 2);
std::unique_ptr<backend::Backend> make_backend(const backend::Factory& factory,
                                               std::shared_ptr<const model::Model> model,
                                               const backend::Options& options);

// Runs tokens first..first + n - 1 of a prompt, whose earlier ones the backend has run, as one step: [n, n_vocab].
std::vector<float> run_step(backend::Backend& backend, std::span<const TokenId> ids, int first, int n,
                            backend::TraceSink* trace = nullptr);
// Runs a prompt as one sequence in steps of the given sizes (one step if empty) with all logits: [ids, n_vocab].
std::vector<float> run_prompt(backend::Backend& backend, std::span<const TokenId> ids, std::span<const int> splits = {},
                              backend::TraceSink* trace = nullptr);
// n greedy tokens after a prompt, two steps in flight.
std::vector<TokenId> run_greedy(backend::Backend& backend, std::span<const TokenId> ids, int n);

// The first n token ids of a shipped Python text, in the demo's vocabulary (contracts/data/demo/long.ids).
std::vector<TokenId> long_prompt(int n);

}  // namespace tercet::tests
