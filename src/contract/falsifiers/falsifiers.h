// Owns the list of checks, a file for each theme. Each says in its file what it tries and what its figures are.
#pragma once

#include "contract/check.h"
#include "contract/gates.h"

namespace tercet::contract {

// parity.cc
Result<Evidence> check_parity(const Context& context);
Result<Evidence> check_reference(const Context& context);
// gates.cc
Result<Evidence> check_per_layer(const Context& context);
Result<Evidence> check_all_positions(const Context& context);
Result<Evidence> check_free_run(const Context& context);
Result<Evidence> check_quality(const Context& context);
// micro_models.cc
Result<Evidence> check_routing(const Context& context);
Result<Evidence> check_quant(const Context& context);
Result<Evidence> check_quiet(const Context& context);
// invariants.cc
Result<Evidence> check_invariants(const Context& context);
Result<Evidence> check_determinism(const Context& context);
// kv.cc
Result<Evidence> check_kv(const Context& context);
Result<Evidence> check_kv_book(const Context& context);
// machine.cc
Result<Evidence> check_fallback(const Context& context);
Result<Evidence> check_memory(const Context& context);
Result<Evidence> check_throughput(const Context& context);
// files.cc
Result<Evidence> check_gguf(const Context& context);
Result<Evidence> check_tokenizer(const Context& context);

}  // namespace tercet::contract
