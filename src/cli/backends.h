// Owns the program's one list of backends.
#pragma once

#include <span>

#include "backend/device.h"
#include "cli/choice.h"
#include "cli/common.h"

namespace tercet::cli {

// Best first: `auto` goes down the list.
std::span<const BackendEntry> backends();

// What the common options ask for.
Demand demand_of(const Common& common);

}  // namespace tercet::cli
