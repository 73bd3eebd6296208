// Owns the rules that look across a contract: what one part says of another.
#pragma once

#include "contract/contract.h"
#include "contract/rules.h"

namespace tercet::contract {

// Appends what is wrong with it beyond the form of its fields (rules C006 to C102).
void validate(const Contract& contract, Findings& findings);

}  // namespace tercet::contract
