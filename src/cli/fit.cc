#include "cli/fit.h"

#include <fmt/format.h>

#include <utility>

#include "base/memory.h"
#include "cli/backends.h"
#include "cli/console.h"

namespace tercet::cli {

Result<std::vector<Candidate>> fit_everywhere(const model::Model& model, const Demand& demand) {
  std::vector<Candidate> out;
  for (const BackendEntry& entry : backends()) {
    if (entry.name == "ref") continue;
    auto found = candidates(entry, model, demand);
    if (!found) continue;
    for (Candidate& candidate : *found) {
      if (!candidate.plan && candidate.plan.error().code == Code::kInvalidArgument)
        return tl::make_unexpected(candidate.plan.error());
      out.push_back(std::move(candidate));
    }
  }
  return out;
}

std::string fit_text(const Candidate& candidate) {
  const auto& free_bytes = candidate.device.memory_free;
  std::string text;
  if (candidate.plan && candidate.plan->room.is_known) {
    text = fmt::format("fits, with {} tokens of context: ", candidate.plan->n_ctx);
  } else if (!candidate.device.why_not.empty()) {
    text = fmt::format("cannot run it, {}: ", candidate.device.why_not);
  } else if (!free_bytes) {
    text = "not known, the interface does not tell its memory: ";
  } else {
    text = "does not fit: ";
  }
  text += fmt::format("{} weights", format_bytes(candidate.footprint.weight_bytes));
  if (candidate.plan) text += fmt::format(" + {} KV cache", format_bytes(candidate.plan->kv_bytes));
  if (candidate.footprint.workspace_bytes > 0)
    text += fmt::format(" + {} workspace", format_bytes(candidate.footprint.workspace_bytes));
  if (free_bytes) text += fmt::format(" of {} free", format_bytes(*free_bytes));
  if (candidate.entry->factory == nullptr) text += " (this version runs no model there)";
  return text;
}

boost::json::object fit_json(const Candidate& candidate) {
  const backend::Footprint& footprint = candidate.footprint;
  const int64_t kv_bytes = candidate.plan ? candidate.plan->kv_bytes : 0;
  const bool fits = candidate.plan && candidate.plan->room.is_known;
  boost::json::object out = {{"backend", candidate.entry->name},
                             {"device", json_text(candidate.device.name)},
                             {"index", candidate.device.index},
                             {"runs_models", candidate.entry->factory != nullptr},
                             {"fits", fits},
                             {"n_ctx", candidate.plan ? candidate.plan->n_ctx : 0},
                             {"bytes", footprint.weight_bytes + kv_bytes + footprint.workspace_bytes},
                             {"weight_bytes", footprint.weight_bytes},
                             {"kv_bytes", kv_bytes},
                             {"kv_bytes_per_token", footprint.kv_bytes_per_token},
                             {"workspace_bytes", footprint.workspace_bytes},
                             {"memory_free", nullptr}};
  if (candidate.device.memory_free) out["memory_free"] = *candidate.device.memory_free;
  if (candidate.plan && !fits) out["why_not"] = "the interface does not tell its memory";
  if (!candidate.plan) out["why_not"] = json_text(candidate.plan.error().message);
  return out;
}

}  // namespace tercet::cli
