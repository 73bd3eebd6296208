// Owns the way to the reference backend.
#pragma once

#include "backend/backend.h"

namespace tercet::ref {

// Options::precision is not looked at: there is one.
extern const backend::Factory kFactory;

}  // namespace tercet::ref
