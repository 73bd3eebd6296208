#include "cli/fit.h"

#include <utility>

#include "base/memory.h"
#include "cli/backends.h"
#include "cli/load.h"

namespace tercet::cli {
namespace {

// An answer either way, but for a context that the model was not trained on.
Status judge(const engine::MemoryNeed& need, int64_t free_bytes, Fit& fit) {
  const auto plan = engine::plan_memory(need, free_bytes);
  fit.n_byte = plan ? plan->weight_bytes + plan->kv_bytes : need.weight_bytes;
  if (!plan) return plan.error().code == Code::kInvalidArgument ? Status(tl::make_unexpected(plan.error())) : Status();
  fit.fits = true;
  fit.n_ctx = plan->n_ctx;
  return {};
}

}  // namespace

Result<std::vector<Fit>> fit_everywhere(const model::Model& model, const Common& common) {
  std::vector<Fit> out;
  for (const BackendEntry& entry : backends()) {
    if (entry.name == "ref") continue;
    const auto devices = entry.devices();
    if (!devices) continue;
    const engine::MemoryNeed need = memory_need(model, entry.factory, common, 1);
    for (const backend::DeviceInfo& device : *devices) {
      Fit fit{std::string(entry.name), device.name,       entry.factory != nullptr, false, 0,
              need.weight_bytes,       device.memory_free};
      // What a plan goes by knows of control groups.
      if (entry.name == "cpu") {
        ASSIGN_OR_RETURN(const int64_t free_bytes, available_memory());
        fit.memory_free = static_cast<uint64_t>(free_bytes);
      }
      if (fit.memory_free) RETURN_IF_ERROR(judge(need, static_cast<int64_t>(*fit.memory_free), fit));
      out.push_back(std::move(fit));
    }
  }
  return out;
}

}  // namespace tercet::cli
