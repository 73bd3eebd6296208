// Owns the program's one list of backends, and the choice among them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/device.h"
#include "base/result.h"
#include "cli/common.h"

namespace tercet::cli {

struct BackendEntry {
  std::string_view name;
  const backend::Factory* factory;  // null: this version lists its devices and runs no model on them
  Result<std::vector<backend::DeviceInfo>> (*devices)();
  std::string_view why_auto;  // why `auto` picks it, or why not
};

std::span<const BackendEntry> backends();

struct BackendChoice {
  const BackendEntry* entry;  // its factory is not null
  std::string why;            // "cpu: ..."; empty if the user named it
};

// What `auto` picks: always one that can run.
const BackendEntry& best_backend();

// What --backend and --device ask for; `auto` picks. A backend that was named is used or is an error. Errors: kDevice (the
// device is not there), kUnsupported (this version runs nothing on it).
Result<BackendChoice> choose_backend(const Common& common);

}  // namespace tercet::cli
