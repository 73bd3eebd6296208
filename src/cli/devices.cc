// tercet devices: what a model could run on here, and what `auto` picks.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>

#include "base/cpu_info.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cli/backends.h"
#include "cli/bandwidth.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/verb.h"
#include "cpu/kernels/kernels.h"

namespace tercet::cli {
namespace {

namespace json = boost::json;

struct Found {
  const BackendEntry* entry;
  Result<std::vector<backend::DeviceInfo>> devices;
};

json::object to_json(const backend::DeviceInfo& info) {
  json::object out = {{"backend", info.backend},
                      {"index", info.index},
                      {"name", json_text(info.name)},
                      {"vendor", json_text(info.vendor)},
                      {"kind", backend::device_kind_name(info.kind)},
                      {"memory_total", nullptr},
                      {"memory_free", nullptr}};
  if (info.memory_total) out["memory_total"] = *info.memory_total;
  if (info.memory_free) out["memory_free"] = *info.memory_free;
  json::object limits;
  for (const auto& [name, value] : info.limits) limits[json_text(name)] = json_text(value);
  out["limits"] = std::move(limits);
  json::array features;
  for (const std::string& feature : info.features) features.emplace_back(json_text(feature));
  out["features"] = std::move(features);
  return out;
}

json::object report_json(const std::vector<Found>& all, int n_thread, double bandwidth) {
  json::array kernels;
  for (const cpu::Kernels* table : cpu::usable_kernels()) kernels.emplace_back(table->name);
  json::object cpu = {{"name", json_text(cpu_name())},
                      {"threads", n_thread},
                      {"kernels", kernels},
                      {"memory_total", memory_total()},
                      {"memory_free", memory_available()},
                      {"read_bytes_s", bandwidth}};
  json::array devices;
  json::array entries;
  for (const auto& [entry, found] : all) {
    const bool picked = entry == &best_backend();
    json::object line = {{"backend", entry->name},
                         {"runs_models", entry->factory != nullptr},
                         {"picked", picked},
                         {"why", entry->why_auto}};
    if (!found) line["absent"] = json_text(found.error().message);
    entries.emplace_back(std::move(line));
    // ref runs on the CPU that is already there.
    if (found && entry->name != "ref")
      for (const backend::DeviceInfo& info : *found) devices.emplace_back(to_json(info));
  }
  return {{"cpu", cpu}, {"devices", devices}, {"backends", entries}, {"auto", best_backend().name}};
}

std::string device_lines(const backend::DeviceInfo& info) {
  std::string text = fmt::format("  {}: {}", info.index, info.name);
  if (!info.vendor.empty()) text += fmt::format(", {}", info.vendor);
  text += fmt::format(", {}\n", backend::device_kind_name(info.kind));
  if (info.memory_total)
    text += fmt::format("     memory: {} free of {}\n", format_bytes(info.memory_free.value_or(0)),
                        format_bytes(*info.memory_total));
  for (const auto& [name, value] : info.limits) text += fmt::format("     {}: {}\n", name, value);
  if (!info.features.empty()) text += fmt::format("     features: {}\n", fmt::join(info.features, " "));
  return text;
}

std::string report_text(const std::vector<Found>& all, int n_thread, double bandwidth) {
  std::string text;
  for (const auto& [entry, found] : all) {
    if (entry->name == "ref") continue;
    text += fmt::format("{}\n", entry->name);
    if (!found) text += fmt::format("  none: {}\n", found.error().message);
    if (found)
      for (const backend::DeviceInfo& info : *found) text += device_lines(info);
    if (entry->name == "cpu")
      text += fmt::format("     threads: {}\n     memory read: {:.1f} GB/s by {} threads\n", n_thread, bandwidth / 1e9,
                          n_thread);
  }
  text += "\n--backend auto\n";
  for (const auto& [entry, found] : all)
    text += fmt::format("  {:<5}{:<5}{}\n", entry->name, entry == &best_backend() ? "yes" : "no",
                        found ? std::string(entry->why_auto) : found.error().message);
  return text;
}

Result<int> list_devices(const Common& common) {
  std::vector<Found> all;
  for (const BackendEntry& entry : backends()) all.push_back({&entry, entry.devices()});
  ThreadPool pool(common.threads());
  const double bandwidth = measure_read_bandwidth(pool);
  if (common.json) {
    RETURN_IF_ERROR(write_json(report_json(all, pool.n_thread(), bandwidth)));
  } else {
    RETURN_IF_ERROR(write_stdout(report_text(all, pool.n_thread(), bandwidth)));
  }
  return kDone;
}

Action declare(CLI::App&, const Common& common) {
  return [&common] { return list_devices(common); };
}

}  // namespace

const Verb kDevices = {"devices", "List what a model could run on here, and what --backend auto picks",
                       "Examples:\n"
                       "  tercet devices\n"
                       "  tercet devices --threads 4      the bandwidth of four threads\n"
                       "  tercet devices --json",
                       declare};

}  // namespace tercet::cli
