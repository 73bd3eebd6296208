// Owns models of noise of any shape and any mix of formats, small enough to be made anew for each
// test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/weights.h"
#include "quant/format.h"

namespace tercet::contract {

// The format of each matrix, by its role.
struct Formats {
  quant::Type token_embd = quant::Type::kQ4_K;
  quant::Type q = quant::Type::kQ4_K;
  quant::Type k = quant::Type::kQ4_K;
  quant::Type v = quant::Type::kQ6_K;
  quant::Type o = quant::Type::kQ4_K;
  quant::Type router = quant::Type::kF32;
  quant::Type gate = quant::Type::kQ4_K;
  quant::Type up = quant::Type::kQ4_K;
  quant::Type down = quant::Type::kQ6_K;
  quant::Type output = quant::Type::kQ6_K;
};

struct SmallModel {
  std::string name;
  int n_layer = 2;
  int d_model = 256;
  int n_head = 4;
  int n_head_kv = 2;
  int d_head = 64;
  int n_expert = 8;
  int n_expert_used = 2;
  int d_ff = 256;
  int n_vocab = 1003;
  bool tied = false;  // no output of its own
  Formats formats = {};
  double embedding = 1;            // the deviation of the embeddings
  bool equal_router_rows = false;  // the router's rows come in pairs, so that every choice has a tie
  bool adversarial = false;        // what quantization is worst at stands in the rows of every matrix, by turns
};

// Weights are N(0, 1/cols) and embeddings N(0, 1), so that every term of every sum matters; norms are about 1, those of
// keys about 2, so that attention has something to choose. The last token's embedding is NaN (poison_token), unless it is
// an output's row as well. Errors: those of the writer and of load_model.
Result<std::shared_ptr<const model::Model>> make_small_model(const SmallModel& spec, uint32_t seed);

// What this token leaves behind in the KV cache is NaN: whoever reads a position that is not its own will show it.
constexpr int poison_token(const SmallModel& spec) { return spec.tied ? -1 : spec.n_vocab - 1; }

}  // namespace tercet::contract
