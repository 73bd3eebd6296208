// Owns the hyper-parameters of a model, read from GGUF metadata and checked: a missing or absurd value is an error that
// names the key.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "gguf/gguf.h"

namespace tercet::model {

struct Config {
  std::string architecture;  // "qwen3moe"
  std::string name;          // general.name, or the file's
  int n_layer = 0;
  int d_model = 0;
  int n_head = 0;
  int n_head_kv = 0;
  int d_head = 0;
  int d_ff = 0;  // of one expert
  int n_expert = 0;
  int n_expert_used = 0;
  int n_vocab = 0;
  int n_ctx_train = 0;
  float rms_eps = 0.0F;
  float rope_base = 0.0F;

  int d_q() const { return n_head * d_head; }
  int d_kv() const { return n_head_kv * d_head; }
};

// Errors: kUnsupported (another architecture, RoPE scaling), kCorrupt (a key that is missing, of another type or
// absurd).
Result<Config> read_config(const gguf::File& file);

}  // namespace tercet::model
