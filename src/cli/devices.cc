// tercet devices: what a model could run on here, and what `auto` picks.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "base/cpu_info.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "cli/backends.h"
#include "cli/bandwidth.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/fit.h"
#include "cli/verb.h"
#include "cpu/kernels/kernels.h"
#include "gguf/gguf.h"
#include "model/weights.h"

namespace tercet::cli {
namespace devices_verb {
namespace {

namespace json = boost::json;

struct Found {
  const BackendEntry* entry;
  Result<std::vector<backend::DeviceInfo>> devices;
  std::vector<Candidate> candidates;  // one for each device, where there is a model
  std::string why;                    // that `auto` takes it, or not
  // Bytes a second that each device reads of memory of its own; 0: it has none, or could not be asked.
  std::vector<double> bandwidth = {};
};

struct Report {
  std::vector<Found> all;
  std::shared_ptr<const model::Model> model;  // that it is all asked for; null: none was named, and there is no demo
  const BackendEntry* picked = nullptr;       // null: none fits, or there is no model
  int n_thread = 0;
  double bandwidth = 0;  // bytes a second of the host's memory
};

json::object to_json(const backend::DeviceInfo& info, double bandwidth) {
  json::object out = {{"backend", info.backend},
                      {"index", info.index},
                      {"name", json_text(info.name)},
                      {"vendor", json_text(info.vendor)},
                      {"kind", backend::device_kind_name(info.kind)},
                      {"memory_total", nullptr},
                      {"memory_free", nullptr},
                      {"read_bytes_s", nullptr}};
  if (info.memory_total) out["memory_total"] = *info.memory_total;
  if (info.memory_free) out["memory_free"] = *info.memory_free;
  if (bandwidth > 0) out["read_bytes_s"] = bandwidth;
  json::object limits;
  for (const auto& [name, value] : info.limits) limits[json_text(name)] = json_text(value);
  out["limits"] = std::move(limits);
  json::array features;
  for (const std::string& feature : info.features) features.emplace_back(json_text(feature));
  out["features"] = std::move(features);
  if (!info.why_not.empty()) out["why_not"] = json_text(info.why_not);
  return out;
}

json::object report_json(const Report& report) {
  json::array kernels;
  for (const cpu::Kernels* table : cpu::usable_kernels()) kernels.emplace_back(table->name);
  json::object cpu = {
      {"name", json_text(cpu_name())},  {"threads", report.n_thread},        {"kernels", kernels},
      {"memory_total", memory_total()}, {"memory_free", memory_available()}, {"read_bytes_s", report.bandwidth}};
  json::array devices;
  json::array entries;
  json::array fits;
  for (const Found& found : report.all) {
    json::object line = {{"backend", found.entry->name},
                         {"runs_models", found.entry->factory != nullptr},
                         {"picked", found.entry == report.picked},
                         {"why", json_text(found.why)}};
    if (const auto note = variable_note(*found.entry)) line["named"] = json_text(*note);
    if (!found.devices) line["absent"] = json_text(found.devices.error().message);
    entries.emplace_back(std::move(line));
    // ref runs on the CPU that is already there.
    if (!found.devices || found.entry->name == "ref") continue;
    for (size_t i = 0; i < found.devices->size(); ++i)
      devices.emplace_back(to_json((*found.devices)[i], found.bandwidth[i]));
    for (const Candidate& candidate : found.candidates) fits.emplace_back(fit_json(candidate));
  }
  json::object out = {{"cpu", cpu},   {"devices", devices}, {"backends", entries},
                      {"fits", fits}, {"model", nullptr},   {"auto", nullptr}};
  if (report.model != nullptr) out["model"] = json_text(report.model->config.name);
  if (report.picked != nullptr) out["auto"] = report.picked->name;
  return out;
}

std::string device_lines(const backend::DeviceInfo& info, double bandwidth) {
  std::string text = fmt::format("  {}: {}", info.index, info.name);
  if (!info.vendor.empty()) text += fmt::format(", {}", info.vendor);
  text += fmt::format(", {}\n", backend::device_kind_name(info.kind));
  if (info.memory_total)
    text += fmt::format("     memory: {} free of {}\n", format_bytes(info.memory_free.value_or(0)),
                        format_bytes(*info.memory_total));
  if (bandwidth > 0) text += fmt::format("     memory read: {:.1f} GB/s\n", bandwidth / 1e9);
  for (const auto& [name, value] : info.limits) text += fmt::format("     {}: {}\n", name, value);
  if (!info.features.empty()) text += fmt::format("     features: {}\n", fmt::join(info.features, " "));
  return text;
}

std::string report_text(const Report& report) {
  std::string text;
  for (const Found& found : report.all) {
    if (found.entry->name == "ref") continue;
    text += fmt::format("{}\n", found.entry->name);
    if (!found.devices) {
      text += fmt::format("  none: {}\n", found.devices.error().message);
      continue;
    }
    for (size_t i = 0; i < found.devices->size(); ++i) {
      text += device_lines((*found.devices)[i], found.bandwidth[i]);
      if (i < found.candidates.size())
        text += fmt::format("     {}: {}\n", printable(report.model->config.name), fit_text(found.candidates[i]));
    }
    if (const auto note = variable_note(*found.entry)) text += fmt::format("  {}\n", *note);
    if (found.entry->name == "cpu")
      text += fmt::format("     threads: {}\n     memory read: {:.1f} GB/s by {} threads\n", report.n_thread,
                          report.bandwidth / 1e9, report.n_thread);
  }
  text += report.model == nullptr ? "\n--backend auto\n"
                                  : fmt::format("\n--backend auto, for {}\n", printable(report.model->config.name));
  for (const Found& found : report.all)
    text += fmt::format("  {:<5}{:<5}{}\n", found.entry->name, found.entry == report.picked ? "yes" : "no", found.why);
  return text;
}

Found look_at(const BackendEntry& entry, const model::Model* model, const Demand& demand) {
  Found found{&entry, entry.devices(), {}, std::string(entry.about)};
  if (!found.devices) {
    found.why = found.devices.error().message;
    return found;
  }
  for (const backend::DeviceInfo& device : *found.devices) {
    const bool is_asked = has_own_bandwidth(entry, device);
    found.bandwidth.push_back(is_asked ? entry.read_bandwidth(device.index).value_or(0) : 0);
  }
  if (model == nullptr) return found;
  for (const backend::DeviceInfo& device : *found.devices)
    found.candidates.push_back(judge(entry, device, *model, demand));
  found.why = why_not(entry, found.candidates);
  return found;
}

// The model that is asked for; none only where there is not even a demo.
Result<std::shared_ptr<const model::Model>> find_model(const Common& common) {
  if (common.model.empty() && !demo_model_path()) return std::shared_ptr<const model::Model>();
  ASSIGN_OR_RETURN(const std::string path, model_path(common));
  ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::open(path));
  return model::load_model(std::move(file));
}

Result<int> list_devices(const Common& common) {
  Demand demand = demand_of(common);
  demand.backend = "auto";
  demand.device.clear();
  Report report;
  ASSIGN_OR_RETURN(report.model, find_model(common));
  for (const BackendEntry& entry : backends()) report.all.push_back(look_at(entry, report.model.get(), demand));
  if (report.model != nullptr) {
    const auto choice = choose(backends(), *report.model, demand);
    if (!choice && choice.error().code == Code::kInvalidArgument) return tl::make_unexpected(choice.error());
    if (choice) report.picked = choice->candidate.entry;
    for (Found& found : report.all)
      if (found.entry == report.picked) found.why = choice->why;
  }
  ThreadPool pool(common.threads());
  report.n_thread = pool.n_thread();
  report.bandwidth = measure_read_bandwidth(pool);
  if (common.json) {
    RETURN_IF_ERROR(write_json(report_json(report)));
  } else {
    RETURN_IF_ERROR(write_stdout(report_text(report)));
  }
  return kDone;
}

Action declare(CLI::App&, const Common& common) {
  return [&common] { return list_devices(common); };
}

}  // namespace
}  // namespace devices_verb

const Verb kDevices = {"devices", "List what a model could run on here, and what --backend auto picks",
                       "Examples:\n"
                       "  tercet devices\n"
                       "  tercet devices -m model.gguf    whether it fits, and where\n"
                       "  tercet devices --threads 4      the bandwidth of four threads\n"
                       "  tercet devices --json",
                       devices_verb::declare};

}  // namespace tercet::cli
