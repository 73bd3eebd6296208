// Owns the way to the CPU backend.
#pragma once

#include "backend/backend.h"

namespace tercet::cpu {

extern const backend::Factory kFactory;

}  // namespace tercet::cpu
