// Owns how a check runs tokens through a backend, and which tokens those are.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "contract/check.h"
#include "model/weights.h"

namespace tercet::contract {

using backend::TokenId;

// Options with room for `n_sequence` sequences of n_token tokens, and steps of as many rows, each an output.
backend::Options options_for(int n_token, backend::Precision precision, int n_thread, int n_sequence = 1);

// Runs a step to its end: all logits that it asked for, one output after the other.
Result<std::vector<float>> run_batch(backend::Backend& backend, const backend::Batch& batch,
                                     backend::TraceSink* trace = nullptr);

// Runs tokens first..first + n - 1 of a prompt, whose earlier ones the backend has run, as one step of one sequence with
// all logits: [n, n_vocab]. `pages` is its page table; empty: all of the backend's, in order.
Result<std::vector<float>> run_rows(backend::Backend& backend, std::span<const TokenId> ids, int first, int n,
                                    backend::TraceSink* trace = nullptr, std::span<const backend::PageId> pages = {});

// A whole prompt in steps of at most n_row: [ids, n_vocab].
Result<std::vector<float>> run_prompt(backend::Backend& backend, std::span<const TokenId> ids, int n_row,
                                      std::span<const backend::PageId> pages = {});

// n tokens of the shipped text in the model's vocabulary; where it has none, tokens drawn by a fixed seed, which mean
// nothing. Fewer if the text or the trained context is shorter. Errors: those of reading the text.
struct Text {
  std::vector<TokenId> ids;
  bool has_meaning = false;
};
Result<Text> shipped_text(const World& world, int n);

// The precisions to try: all, but on software that plays a GPU the default alone unless there is time. Those that are left
// out are noted in the evidence.
std::span<const backend::Precision> precisions_of(const Context& context, Evidence& out);

// A backend with room for the rows and sequences of a check, on the subject's device. Errors: the backend's.
Result<std::unique_ptr<backend::Backend>> start(const Subject& subject, std::shared_ptr<const model::Model> model,
                                                backend::Options options);

// How far `seen` is from `wanted`: 0 where every bit is the same, else the relative L2; NaN where that cannot be told.
double distance(std::span<const float> seen, std::span<const float> wanted);

// Positions that a check may run through ref: the more, the less a token costs. --quick, or the time that it takes.
int affordable_positions(const World& world, const Subject& subject);

inline constexpr backend::Precision kAllPrecisions[] = {backend::Precision::kExact, backend::Precision::kHigh,
                                                        backend::Precision::kFast};

}  // namespace tercet::contract
