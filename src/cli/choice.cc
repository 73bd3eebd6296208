#include "cli/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace tercet::cli {
namespace {

using backend::device_rank;
using backend::DeviceInfo;

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool contains(std::string_view text, std::string_view part) {
  for (size_t i = 0; i + part.size() <= text.size(); ++i)
    if (same_letters(text.substr(i, part.size()), part)) return true;
  return false;
}

// "0: NVIDIA H100 PCIe, 1: llvmpipe (LLVM 15.0.6, 256 bits)"
std::string listed(std::span<const DeviceInfo> devices) {
  std::string out;
  for (const DeviceInfo& device : devices)
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", device.index, printable(device.name));
  return out;
}

// What names a device of this backend: the flag, else the backend's own variable. Who asked is for the error.
std::pair<std::string_view, std::string> wanted_device(const BackendEntry& entry, const std::string& flag) {
  if (!flag.empty() || entry.device_variable == nullptr) return {"--device", flag};
  const char* value = std::getenv(entry.device_variable);
  return {entry.device_variable, value == nullptr ? "" : value};
}

backend::Footprint footprint_of(const BackendEntry& entry, const model::Model& model, const backend::Options& options) {
  if (entry.factory != nullptr) return entry.factory->footprint(model, options);
  const model::Config& c = model.config;
  return {.weight_bytes = model.weight_bytes(),
          .kv_bytes_per_token = int64_t{2} * c.n_layer * c.d_kv() * backend::kv_element_bytes(backend::KvType::kF16),
          .workspace_bytes = 0};
}

Result<engine::MemoryPlan> plan_on(const DeviceInfo& device, const model::Model& model, const Demand& demand,
                                   const backend::Footprint& footprint) {
  if (!device.why_not.empty())
    return with_hint(
        error(Code::kDevice, "{}: device {}, {}: {}", device.backend, device.index, device.name, device.why_not),
        "tercet devices");
  const engine::MemoryNeed need = {.model = model.file->path(),
                                   .footprint = footprint,
                                   .n_ctx_train = model.config.n_ctx_train,
                                   .ctx = demand.ctx,
                                   .n_sequence = demand.shares_pages ? 1 : demand.options.max_sequence,
                                   .n_sharing = demand.shares_pages ? demand.options.max_sequence : 1,
                                   .n_page = demand.n_page};
  return engine::plan_memory(need, engine::room_of(device));
}

// Of candidates none of which is usable: what the one with the most free memory says.
const Error& refusal(std::span<const Candidate> all) {
  const auto free_bytes = [](const Candidate& c) { return c.device.memory_free.value_or(0); };
  return std::ranges::max_element(all, {}, free_bytes)->plan.error();
}

Result<Choice> choose_named(const BackendEntry& entry, const model::Model& model, const Demand& demand) {
  ASSIGN_OR_RETURN(const std::vector<Candidate> found, candidates(entry, model, demand));
  const Candidate* best = best_of(found);
  if (best == nullptr) return tl::make_unexpected(refusal(found));
  return Choice{*best, ""};
}

std::string why_taken(const Candidate& taken, const std::string& others) {
  if (!others.empty()) return others;
  if (taken.device.kind == backend::DeviceKind::kCpu) return std::string(taken.entry->about);
  return fmt::format("{}, device {}, has room for the model", taken.device.name, taken.device.index);
}

// Slower than the CPU backend wherever there is one, so that only a name picks it.
bool is_software(const Candidate& candidate) { return candidate.device.kind == backend::DeviceKind::kSoftware; }

Result<Choice> choose_first(std::span<const BackendEntry> entries, const model::Model& model, const Demand& demand) {
  std::string others;                 // why not those before
  std::optional<Error> does_not_run;  // what a device said that is there; the last one's counts
  std::optional<Error> is_not_there;
  for (const BackendEntry& entry : entries) {
    if (!entry.is_for_auto) continue;
    const auto found = candidates(entry, model, demand);
    if (!found) {
      is_not_there = found.error();
    } else if (const Candidate* best = best_of(*found); best != nullptr && is_software(*best)) {
      is_not_there =
          error(Code::kDevice, "{}: {} computes on the CPU, want a GPU", entry.name, best->device.name).value();
      others += fmt::format("{}{}", others.empty() ? "" : "; ", is_not_there->message);
      continue;
    } else if (best != nullptr) {
      return Choice{*best, why_taken(*best, others)};
    } else {
      does_not_run = refusal(*found);
      if (does_not_run->code == Code::kInvalidArgument) break;
    }
    others += fmt::format("{}{}", others.empty() ? "" : "; ", why_not(entry, found));
  }
  CHECK(does_not_run || is_not_there);
  return tl::make_unexpected(does_not_run ? *does_not_run : *is_not_there);
}

Result<const BackendEntry*> find_entry(std::span<const BackendEntry> entries, const std::string& name) {
  const auto entry = std::ranges::find(entries, name, &BackendEntry::name);
  CHECK(entry != entries.end());  // the option takes no other
  if (entry->factory != nullptr) return &*entry;
  std::string runnable;
  for (const BackendEntry& other : entries)
    if (other.factory != nullptr) runnable += fmt::format("{}{}", runnable.empty() ? "" : ", ", other.name);
  return with_hint(error(Code::kUnsupported, "--backend: {}, want one of {}: {}", name, runnable, entry->about),
                   "--backend cpu");
}

}  // namespace

Result<std::vector<DeviceInfo>> named_devices(const BackendEntry& entry, const std::string& flag) {
  ASSIGN_OR_RETURN(std::vector<DeviceInfo> devices, entry.devices());
  const auto [who, wanted] = wanted_device(entry, flag);
  if (wanted.empty()) return devices;
  int index = -1;
  const char* end = wanted.data() + wanted.size();
  const auto parsed = std::from_chars(wanted.data(), end, index);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
  std::vector<DeviceInfo> out;
  for (const DeviceInfo& device : devices)
    if (is_number ? device.index == index : contains(device.name, wanted)) out.push_back(device);
  if (!out.empty()) return out;
  return with_hint(
      error(Code::kDevice, "{}: {}, want one of backend {}'s: {}", who, printable(wanted), entry.name, listed(devices)),
      "tercet devices");
}

std::optional<std::string> variable_note(const BackendEntry& entry) {
  const auto [who, wanted] = wanted_device(entry, "");
  if (wanted.empty()) return std::nullopt;
  const auto named = named_devices(entry, "");
  if (!named) return named.error().message;
  return fmt::format("{}={} names {}", who, printable(wanted), listed(*named));
}

Candidate judge(const BackendEntry& entry, DeviceInfo device, const model::Model& model, const Demand& demand) {
  backend::Options options = demand.options;
  options.device = device.index;
  if (entry.factory != nullptr) options.max_row = entry.factory->max_row;
  if (demand.max_row) options.max_row = *demand.max_row;
  options.max_row = std::max(options.max_row, options.max_sequence);  // each decodes in every step
  const backend::Footprint footprint = footprint_of(entry, model, options);
  auto plan = plan_on(device, model, demand, footprint);
  if (plan) options.n_page = plan->n_page;
  return {&entry, std::move(device), std::move(options), footprint, std::move(plan)};
}

Result<std::vector<Candidate>> candidates(const BackendEntry& entry, const model::Model& model, const Demand& demand) {
  ASSIGN_OR_RETURN(std::vector<DeviceInfo> devices, named_devices(entry, demand.device));
  std::vector<Candidate> out;
  for (DeviceInfo& device : devices) out.push_back(judge(entry, std::move(device), model, demand));
  return out;
}

const Candidate* best_of(std::span<const Candidate> all) {
  const auto less = [](const Candidate& a, const Candidate& b) {
    return std::tuple(device_rank(a.device.kind), a.device.memory_free) <
           std::tuple(device_rank(b.device.kind), b.device.memory_free);
  };
  const Candidate* best = nullptr;
  for (const Candidate& candidate : all)
    if (candidate.usable() && (best == nullptr || less(*best, candidate))) best = &candidate;
  return best;
}

Result<Choice> choose(std::span<const BackendEntry> entries, const model::Model& model, const Demand& demand) {
  if (demand.backend == "auto") return choose_first(entries, model, demand);
  ASSIGN_OR_RETURN(const BackendEntry* entry, find_entry(entries, demand.backend));
  return choose_named(*entry, model, demand);
}

Status check_demand(std::span<const BackendEntry> entries, const Demand& demand) {
  if (demand.backend == "auto") return {};
  ASSIGN_OR_RETURN(const BackendEntry* entry, find_entry(entries, demand.backend));
  ASSIGN_OR_RETURN(const auto devices, named_devices(*entry, demand.device));
  return {};
}

std::string why_not(const BackendEntry& entry, const Result<std::vector<Candidate>>& found) {
  if (!entry.is_for_auto || entry.factory == nullptr) return std::string(entry.about);
  if (!found) return found.error().message;
  if (best_of(*found) == nullptr) return refusal(*found).message;
  return std::string(entry.about);
}

}  // namespace tercet::cli
