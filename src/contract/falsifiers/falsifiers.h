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

}  // namespace tercet::contract
