// tercet contract run: tries to falsify what is promised, on the model and the devices that are here.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>

#include "base/cpu_info.h"
#include "base/sha256.h"
#include "base/text.h"
#include "cli/backends.h"
#include "cli/bandwidth.h"
#include "cli/bench_run.h"
#include "cli/commit.h"
#include "cli/console.h"
#include "cli/contract.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "contract/receipt.h"
#include "cpu/cpu.h"

namespace tercet::cli {
namespace {

namespace json = boost::json;
using backend::DeviceInfo;
using contract::Asked;
using contract::Contract;
using contract::Row;

// Rows of a step and pages of the cache that the longest falsifier has.
constexpr int kMaxRow = 64;
constexpr int kPages = 64;

Result<double> read_bandwidth(const Candidate& candidate) {
  ASSIGN_OR_RETURN(const double bandwidth,
                   read_bandwidth_of(*candidate.entry, candidate.device, candidate.options.n_thread));
  if (bandwidth > 0) return bandwidth;
  return error(Code::kDevice, "{}: its reads could not be measured", candidate.device.name);
}

// As `bench` measures it.
Result<contract::Decoding> decode(const Candidate& candidate, const std::shared_ptr<const model::Model>& model) {
  ASSIGN_OR_RETURN(const auto backend, candidate.entry->factory->make(model, candidate.options));
  BenchRunner runner(*backend, *model, 1);
  ASSIGN_OR_RETURN(const BenchFigures figures, runner.run({.n_decode = contract::kDecodeSteps}, 3));
  return contract::Decoding{1 / figures.median_tok_s(), figures.bytes_a_step};
}

contract::Subject subject_of(const Candidate& candidate, const std::shared_ptr<const model::Model>& model) {
  const BackendEntry* entry = candidate.entry;
  const int index = candidate.device.index;
  contract::Subject out;
  out.factory = entry->factory;
  out.device = candidate.device;
  out.look_again = [entry, index]() -> Result<DeviceInfo> {
    ASSIGN_OR_RETURN(const std::vector<DeviceInfo> devices, entry->devices());
    for (const DeviceInfo& device : devices)
      if (device.index == index) return device;
    return error(Code::kDevice, "{}: device {} is gone, want it as before", entry->name, index);
  };
  const bool reads_host = candidate.device.kind == backend::DeviceKind::kCpu;
  if (has_own_bandwidth(*entry, candidate.device) || reads_host)
    out.read_bandwidth = [candidate] { return read_bandwidth(candidate); };
  if (entry->arithmetic != nullptr)
    out.arithmetic = [candidate] {
      return candidate.entry->arithmetic(candidate.device.index, candidate.options.n_thread);
    };
  out.decode = [candidate, model] { return decode(candidate, model); };
  return out;
}

// The entry's best device, or why there is none.
Asked ask(const BackendEntry& entry, const std::shared_ptr<const model::Model>& model, const Demand& demand) {
  Asked out{std::string(entry.name), {}, ""};
  const auto found = candidates(entry, *model, demand);
  if (!found) {
    out.absent = found.error().message;
  } else if (const Candidate* best = best_of(*found); best != nullptr) {
    out.subject = subject_of(*best, model);
  } else {
    out.absent = found->front().plan.error().message;
  }
  return out;
}

struct Plan {
  std::vector<Asked> all;          // also those that are not here, for their rows
  std::vector<std::string> asked;  // those whose gates must be held
};

Plan plan_backends(const std::shared_ptr<const model::Model>& model, const Common& common) {
  Demand demand = demand_of(common);
  demand.ctx.reset();
  demand.n_page = kPages;
  demand.max_row = kMaxRow;
  Plan out;
  for (const BackendEntry& entry : backends()) {
    const bool is_named = common.backend == entry.name;
    if (entry.name == "ref" ? !is_named : common.backend != "auto" && !is_named) continue;
    Asked asked = ask(entry, model, demand);
    if (is_named || asked.subject) out.asked.push_back(asked.name);
    out.all.push_back(std::move(asked));
  }
  return out;
}

std::string hash_file(const gguf::File& file, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Sha256 hash;
  std::vector<char> chunk(size_t{1} << 20);
  for (;;) {
    in.read(chunk.data(), std::ssize(chunk));
    if (in.gcount() == 0) break;
    hash.add(std::as_bytes(std::span(chunk).first(static_cast<size_t>(in.gcount()))));
  }
  return file.check_intact() ? hash.finish() : "";
}

std::string driver_of(const DeviceInfo& device) {
  for (const auto& [key, value] : device.limits)
    if (key == "driver") return value;
  return "";
}

contract::Receipt begin_receipt(const Plan& plan, const std::vector<Contract>& contracts, contract::Depth depth) {
  contract::Receipt out;
  out.program_version = TERCET_VERSION;
  out.commit = commit();
  out.made_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  out.host = cpu_name();
  out.depth = contract::depth_name(depth);
  out.asked = plan.asked;
  for (const Asked& asked : plan.all) {
    if (!asked.subject) continue;
    const DeviceInfo& d = asked.subject->device;
    out.devices.push_back({asked.name, d.name, std::string(backend::device_kind_name(d.kind)), d.vendor, driver_of(d)});
  }
  for (const Contract& c : contracts) out.contracts.push_back({c.id.text, c.version.text, c.hash});
  return out;
}

// Rows as they come. Those of a backend that is not here share one line at the end.
class Reporter {
 public:
  Reporter(const Console& console, const Plan& plan, bool json) : console_(console), json_(json) {
    for (const Asked& asked : plan.all)
      if (!asked.subject) absent_[asked.name] = asked.absent;
  }
  void begins(const Row& row, size_t done, size_t total) {
    head_ =
        fmt::format("{} of {}  {}{}{}", done + 1, total, row.falsifier, row.backend.empty() ? "" : " on ", row.backend);
    console_.progress(head_);
  }
  void says(std::string_view what) { console_.progress(fmt::format("{}: {}", head_, what)); }
  void ended(const Row& row) {
    console_.progress("");
    if (absent_.contains(row.backend))
      ++n_absent_[row.backend];
    else
      print(fmt::format("{}  ({:.1f} s)\n", row_line(row), row.seconds));
  }
  void finish(const contract::Summary& summary) {
    for (const auto& [name, n] : n_absent_)
      print(fmt::format("{:<9}  {} falsifiers on {}  {}\n", "SKIPPED", n, name, absent_.at(name)));
    for (const std::string& reason : summary.missing) print(fmt::format("incomplete: {}\n", reason));
    print(fmt::format("{}\n", contract::outcome_name(summary.outcome)));
  }
  const Status& status() const { return status_; }

 private:
  void print(const std::string& text) {
    if (!json_ && status_) status_ = write_stdout(text);
  }
  const Console& console_;
  bool json_;
  std::string head_;
  std::map<std::string, std::string> absent_;
  std::map<std::string, int> n_absent_;
  Status status_;
};

Status write_receipt(const contract::Receipt& receipt, const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << json::serialize(contract::to_json(receipt)) << "\n";
  file.close();
  if (file) return {};
  return error(Code::kIo, "{}: the receipt could not be written, want room and permission", printable(path, 400));
}

// A model that is not here is skipped, as a device is.
Result<int> skip(const Error& why, const Common& common) {
  if (common.json)
    RETURN_IF_ERROR(write_json(json::object{{"verdict", "INCOMPLETE"}, {"missing", {json_text(why.message)}}}));
  else
    RETURN_IF_ERROR(write_stdout(fmt::format("SKIPPED  {}\nINCOMPLETE\n", why.message)));
  return kIncomplete;
}

}  // namespace

Result<int> run_contract(const ContractOptions& options, const Common& common) {
  const Console console(common);
  if (!options.files.empty())
    return error(Code::kInvalidArgument, "contract run: '{}', want contracts by --contract and the model by -m",
                 printable(options.files[0]));
  if (options.quick && options.is_long)
    return error(Code::kInvalidArgument, "--quick and --long: both given, want one of them");
  ASSIGN_OR_RETURN(const std::vector<Contract> contracts, load_contracts(options.contracts));
  const auto path = model_path(common);
  if (!path) return skip(path.error(), common);
  if (std::error_code failed; !std::filesystem::exists(*path, failed))
    return skip(error(Code::kNotFound, "{}: no such model here", printable(*path, 400)).value(), common);
  ASSIGN_OR_RETURN(const OpenModel open, open_model(common));

  const InterruptScope interrupt;
  const Plan plan = plan_backends(open.model, common);
  const contract::Depth depth = options.quick     ? contract::Depth::kQuick
                                : options.is_long ? contract::Depth::kLong
                                                  : contract::Depth::kUsual;
  contract::Receipt receipt = begin_receipt(plan, contracts, depth);
  auto hash = std::async(std::launch::async, [&] { return hash_file(*open.model->file, *path); });
  Reporter reporter(console, plan, common.json);
  contract::World world;
  world.model = open.model;
  world.tokenizer = open.tokenizer.get();
  world.yardstick = &cpu::kFactory;
  ASSIGN_OR_RETURN(world.data_folder, contracts_path());
  world.is_long = options.is_long;
  world.n_thread = common.threads();
  world.progress = [&](std::string_view what) { reporter.says(what); };
  world.is_cancelled = [&] { return interrupt.requested(); };
  auto rows =
      contract::run_contracts(contracts, plan.all, world, depth,
                              {[&](const Row& row, size_t done, size_t total) { reporter.begins(row, done, total); },
                               [&](const Row& row) { reporter.ended(row); }});
  if (!rows) return tl::make_unexpected(rows.error());
  receipt.rows = *std::move(rows);
  for (const Asked& asked : plan.all) {
    if (!asked.subject) continue;
    console.progress(fmt::format("the stages of {}", asked.name));
    ASSIGN_OR_RETURN(contract::Roofline roofline, contract::measure_roofline(world, *asked.subject, depth));
    receipt.rooflines.push_back(std::move(roofline));
  }
  console.progress("");
  receipt.model = contract::mark_of(open.model->config);
  receipt.model.file = std::filesystem::path(*path).filename().string();
  receipt.model.n_byte = static_cast<int64_t>(open.model->file->size_bytes());
  receipt.model.sha256 = hash.get();
  receipt.summary = contract::summarize(contracts, receipt.asked, receipt.rows);
  if (!options.receipt.empty()) RETURN_IF_ERROR(write_receipt(receipt, options.receipt));
  reporter.finish(receipt.summary);
  RETURN_IF_ERROR(reporter.status());
  if (common.json) RETURN_IF_ERROR(write_json(contract::to_json(receipt)));
  return exit_code_of(receipt.summary.outcome);
}

}  // namespace tercet::cli
