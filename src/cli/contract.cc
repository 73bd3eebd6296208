// tercet contract: what is promised, and the program's attempt to prove it wrong.
#include "cli/contract.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/text.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "contract/load.h"
#include "contract/receipt.h"
#include "contract/report.h"

namespace tercet::cli {
namespace {

namespace json = boost::json;
using contract::Contract;
using contract::Finding;
using contract::Outcome;

json::object to_json(const std::string& path, const Finding& finding) {
  return {{"file", json_text(path)},
          {"line", finding.at.line},
          {"column", finding.at.column},
          {"rule", fmt::format("C{:03}", static_cast<int>(finding.rule))},
          {"severity", contract::is_warning(finding.rule) ? "warning" : "error"},
          {"message", json_text(finding.message)}};
}

// contract validate FILE...: the findings, one a line, and how many there were.
Result<int> validate(const ContractOptions& options, const Common& common) {
  std::vector<std::string> paths = options.files;
  if (paths.empty()) {
    ASSIGN_OR_RETURN(const std::string folder, contracts_path());
    ASSIGN_OR_RETURN(paths, contract::list_contracts(folder));
  }
  int n_error = 0;
  int n_warning = 0;
  std::string text;
  json::array findings;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const contract::Loaded loaded, contract::load_contract(path));
    n_error += contract::count_errors(loaded.findings);
    n_warning += contract::count_warnings(loaded.findings);
    for (const Finding& finding : loaded.findings) {
      text += contract::describe(printable(path, 400), finding) + "\n";
      findings.push_back(to_json(path, finding));
    }
  }
  text += fmt::format("{} error(s), {} warning(s)\n", n_error, n_warning);
  if (common.json)
    RETURN_IF_ERROR(write_json(json::object{{"errors", n_error}, {"warnings", n_warning}, {"findings", findings}}));
  else
    RETURN_IF_ERROR(write_stdout(text));
  return n_error > 0 ? kWrongInput : kDone;
}

json::array texts(const std::vector<std::string>& all) {
  json::array out;
  for (const std::string& text : all) out.push_back(json::value(json_text(text)));
  return out;
}

// contract verify RECEIPT: its figures beside the thresholds that are here. A receipt that says other than its figures is
// no receipt.
Result<int> verify(const ContractOptions& options, const Common& common) {
  if (options.files.size() != 1)
    return error(Code::kInvalidArgument, "contract verify: {} files, want one receipt", options.files.size());
  ASSIGN_OR_RETURN(const contract::Receipt receipt, contract::read_receipt(options.files[0]));
  ASSIGN_OR_RETURN(const std::vector<Contract> contracts, load_contracts(options.contracts));
  const contract::Verification v = contract::verify(receipt, contracts);
  if (common.json) {
    RETURN_IF_ERROR(write_json(verification_json(v)));
  } else {
    std::string text =
        fmt::format("receipt of {} {} ({}), {}, {}\n", "tercet", printable(receipt.program_version),
                    printable(receipt.commit.substr(0, 12)), printable(receipt.model.file), printable(receipt.made_at));
    for (const contract::DeviceMark& device : receipt.devices)
      text += fmt::format("on {}: {}{}{}\n", printable(device.backend), printable(device.name),
                          device.driver.empty() ? "" : ", driver ", printable(device.driver));
    for (const contract::Row& row : v.rows) text += row_line(row) + "\n";
    for (const std::string& change : v.changes) text += "changed: " + printable(change, 400) + "\n";
    for (const std::string& what : v.contradictions) text += "contradiction: " + printable(what, 400) + "\n";
    for (const std::string& what : v.missing) text += "incomplete: " + printable(what, 400) + "\n";
    text += fmt::format("{}\n", contract::outcome_name(v.outcome));
    RETURN_IF_ERROR(write_stdout(text));
  }
  return v.contradictions.empty() ? exit_code_of(v.outcome) : kFalsified;
}

// contract report RECEIPT -o FILE: a page of it. What the receipt says makes no difference to the exit code: the page was
// asked for, and says it.
Result<int> report(const ContractOptions& options, const Common& common) {
  if (options.files.size() != 1)
    return error(Code::kInvalidArgument, "contract report: {} files, want one receipt", options.files.size());
  if (options.out.empty())
    return with_hint(error(Code::kInvalidArgument, "contract report: no -o, want the file that the page goes to"),
                     fmt::format("tercet contract report {} -o report.html", printable(options.files[0], 400)));
  ASSIGN_OR_RETURN(const contract::Receipt receipt, contract::read_receipt(options.files[0]));
  ASSIGN_OR_RETURN(const std::vector<Contract> contracts, load_contracts(options.contracts));
  const std::string page = contract::report_page(contract::report_data(receipt, contracts));
  std::ofstream file(options.out, std::ios::binary | std::ios::trunc);
  file << page;
  file.close();
  if (!file)
    return error(Code::kIo, "{}: the page could not be written, want room and permission", printable(options.out, 400));
  Console(common).note(
      fmt::format("wrote {}, {} bytes: open it in a browser", printable(options.out, 400), page.size()));
  if (common.json)
    RETURN_IF_ERROR(write_json(json::object{{"report", json_text(options.out)}, {"bytes", page.size()}}));
  return kDone;
}

Result<int> dispatch(const ContractOptions& options, const Common& common) {
  if (options.action == "validate") return validate(options, common);
  if (options.action == "verify") return verify(options, common);
  if (options.action == "run") return run_contract(options, common);
  if (options.action == "report") return report(options, common);
  return with_hint(error(Code::kInvalidArgument, "contract: {}, want one of validate, run, verify, report",
                         options.action.empty() ? "nothing to do" : printable(options.action)),
                   "tercet contract --help");
}

Action declare(CLI::App& app, const Common& common) {
  auto options = std::make_shared<ContractOptions>();
  options->app = &app;
  add_text(app, "ACTION", options->action, "ACTION", "validate, run, verify or report");
  add_text_list(app, "FILE", options->files, "FILE...",
                "validate: contracts (those that ship); verify, report: a receipt");
  add_text_list(app, "--contract", options->contracts, "FILE|ID",
                "A contract to run, or to verify a receipt by (all that ship)");
  add_switch(app, "--quick", options->quick, "run: what takes under a minute on the demo model");
  add_switch(app, "--long", options->is_long, "run: every falsifier at full length");
  add_text(app, "--receipt", options->receipt, "FILE", "run: leave a receipt there");
  add_text(app, "-o,--out", options->out, "FILE", "report: write the page there");
  return [options, &common] { return dispatch(*options, common); };
}

}  // namespace

Result<std::vector<Contract>> load_contracts(const std::vector<std::string>& named) {
  std::vector<std::string> paths;
  if (named.empty()) {
    ASSIGN_OR_RETURN(const std::string folder, contracts_path());
    ASSIGN_OR_RETURN(paths, contract::list_contracts(folder));
  }
  for (const std::string& name : named) {
    std::error_code failed;
    if (name.find('/') == std::string::npos && !name.ends_with(".yaml") && !std::filesystem::exists(name, failed)) {
      ASSIGN_OR_RETURN(const std::string folder, contracts_path());
      paths.push_back(folder + "/" + name + ".yaml");
    } else {
      paths.push_back(name);
    }
  }
  std::vector<Contract> out;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(Contract contract, contract::load_valid_contract(path));
    const auto same = [&](const Contract& other) { return other.id.text == contract.id.text; };
    if (std::ranges::any_of(out, same))
      return error(Code::kInvalidArgument, "--contract: {} twice, want it once", contract.id.text);
    out.push_back(std::move(contract));
  }
  return out;
}

json::object verification_json(const contract::Verification& v) {
  json::array rows;
  for (const contract::Row& row : v.rows)
    rows.push_back(json::object{{"falsifier", json_text(row.falsifier)},
                                {"backend", json_text(row.backend)},
                                {"verdict", contract::verdict_name(row.judgement.verdict)},
                                {"why", json_text(row.judgement.why)}});
  return {{"verdict", contract::outcome_name(v.outcome)},
          {"changes", texts(v.changes)},
          {"contradictions", texts(v.contradictions)},
          {"missing", texts(v.missing)},
          {"rows", std::move(rows)}};
}

std::string row_line(const contract::Row& row) {
  const contract::Judgement& j = row.judgement;
  std::string what = j.why;
  if (j.verdict == contract::Verdict::kHeld && !j.bounds.empty()) {
    // The one that is nearest to its bound.
    const auto distance = [](const contract::Bounded& b) {
      if (b.at_most) return *b.at_most > 0 ? b.value / *b.at_most : 0;
      return *b.at_least < 1 ? (1 - b.value) / (1 - *b.at_least) : *b.at_least / std::max(b.value, 1e-300);
    };
    what = std::ranges::max_element(j.bounds, {}, distance)->describe();
  }
  return fmt::format("{:<9}  {}{}{}  {}", contract::verdict_name(j.verdict), printable(row.falsifier),
                     row.backend.empty() ? "" : " on ", printable(row.backend), printable(what, 400));
}

int exit_code_of(Outcome outcome) {
  return outcome == Outcome::kHeld ? kDone : outcome == Outcome::kFalsified ? kFalsified : kIncomplete;
}

const Verb kContract = {"contract", "Check contracts, try to falsify them here, verify or draw what others saw",
                        "Examples:\n"
                        "  tercet contract run --quick\n"
                        "  tercet contract run --backend cuda -m model.gguf --long --receipt receipt.json\n"
                        "  tercet contract verify receipt.json\n"
                        "  tercet contract report receipt.json -o report.html\n"
                        "  tercet contract validate contracts/*.yaml\n\n"
                        "Exit codes: 0 held, 2 wrong input, 3 falsified, 77 skipped or incomplete",
                        declare};

}  // namespace tercet::cli
