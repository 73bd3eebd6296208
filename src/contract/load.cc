#include "contract/load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/sha256.h"
#include "base/text.h"
#include "contract/fields.h"
#include "contract/validate.h"

namespace tercet::contract {
namespace {

Amendment read_amendment(Fields& in) {
  Amendment out{in.name("version"), in.text("summary"), {}};
  in.each("alternatives", "alternative", Need::kOptional, [&](Fields& a) {
    out.alternatives.push_back({a.text("name"), a.choice("verdict", {"chosen", "rejected"}).text, a.text("reason")});
  });
  return out;
}

Equation read_equation(Fields& in) {
  return {in.name("id"),
          in.text("formula"),
          in.texts("preconditions"),
          in.texts("postconditions"),
          in.texts("invariants"),
          in.names("references", Need::kOptional)};
}

Threshold read_threshold(Fields& in) {
  Threshold out;
  out.at = in.at();
  out.figure = in.name("figure");
  const std::string precision = in.choice("precision", {"exact", "high", "fast"}, Need::kOptional).text;
  if (!precision.empty())
    out.precision = precision == "exact"  ? backend::Precision::kExact
                    : precision == "high" ? backend::Precision::kHigh
                                          : backend::Precision::kFast;
  out.backend = in.choice("backend", {"cpu", "cuda", "wgpu"}, Need::kOptional).text;
  out.device = in.choice("device", {"cpu", "discrete", "integrated", "software"}, Need::kOptional).text;
  out.at_most = in.number("at_most");
  out.at_least = in.number("at_least");
  out.unit = in.text("unit", Need::kOptional);
  out.reason = in.text("reason", Need::kOptional);
  return out;
}

Falsifier read_falsifier(Fields& in) {
  Falsifier out;
  out.id = in.name("id");
  out.check = in.name("check");
  out.summary = in.text("summary");
  out.backends = in.names("backends", Need::kOptional);
  out.effort = in.choice("effort", {"quick", "long"}, Need::kOptional).text == "long" ? Effort::kLong : Effort::kQuick;
  in.each("thresholds", "threshold", Need::kRequired, [&](Fields& t) { out.thresholds.push_back(read_threshold(t)); });
  return out;
}

Contract read_contract(Fields& in) {
  Contract out;
  out.id = in.name("contract");
  out.version = in.name("version");
  out.kind = in.choice("kind", {"forward", "component"});
  out.title = in.text("title");
  out.prefix = in.name("prefix");
  out.backends = in.names("backends", Need::kOptional);
  out.parity = in.name("parity", Need::kOptional);
  in.each("references", "reference", Need::kRequired,
          [&](Fields& r) { out.references.push_back({r.name("id"), r.text("title"), r.text("where")}); });
  in.each("amendments", "amendment", Need::kRequired, [&](Fields& a) { out.amendments.push_back(read_amendment(a)); });
  in.each("blockers", "blocker", Need::kOptional, [&](Fields& b) {
    out.blockers.push_back({b.name("id"), b.name("raised_in"), b.text("summary"), b.text("outcome")});
  });
  in.each("equations", "equation", Need::kRequired, [&](Fields& e) { out.equations.push_back(read_equation(e)); });
  in.each("obligations", "obligation", Need::kRequired, [&](Fields& o) {
    out.obligations.push_back({o.name("id"), o.text("claim"), o.names("equations"), o.names("falsifiers")});
  });
  in.each("stages", "stage", Need::kRequired, [&](Fields& s) {
    out.stages.push_back({s.name("id"), s.text("title"), s.choice("state", {"done", "superseded", "planned"}),
                          s.text("note", Need::kOptional), s.names("tests", Need::kOptional)});
  });
  in.each("falsifiers", "falsifier", Need::kRequired, [&](Fields& f) { out.falsifiers.push_back(read_falsifier(f)); });
  return out;
}

}  // namespace

Loaded parse_contract(const std::string& path, std::string_view text) {
  Loaded out;
  auto tree = parse_yaml(text);
  if (!tree) {
    out.findings.push_back({Rule::kReadable, tree.error().at, tree.error().message});
    return out;
  }
  {
    Fields fields(*tree, "contract", out.findings);
    if (tree->kind == Node::Kind::kMap) out.contract = read_contract(fields);
  }
  if (!out.contract) return out;
  out.contract->path = path;
  out.contract->hash = sha256_hex(std::as_bytes(std::span(text)));
  validate(*out.contract, out.findings);
  std::ranges::stable_sort(out.findings, {}, [](const Finding& f) { return std::pair(f.at.line, f.at.column); });
  return out;
}

Result<Loaded> load_contract(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed))
    return error(Code::kNotFound, "{}: no such file, want a contract", printable(path, 400));
  if (!std::filesystem::is_regular_file(path, failed))
    return error(Code::kInvalidArgument, "{}: not a file, want a contract", printable(path, 400));
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(Code::kIo, "{}: cannot be read, want a contract", printable(path, 400));
  // One byte more than is allowed tells that there is more.
  std::string text(kMaxYamlBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad()) return error(Code::kIo, "{}: cannot be read to its end, want a contract", printable(path, 400));
  Loaded out;
  if (text.size() > kMaxYamlBytes) {
    out.findings.push_back({Rule::kReadable, {}, fmt::format("more than {} bytes, want fewer", kMaxYamlBytes)});
    return out;
  }
  return parse_contract(path, text);
}

Result<Contract> load_valid_contract(const std::string& path) {
  ASSIGN_OR_RETURN(Loaded loaded, load_contract(path));
  for (const Finding& finding : loaded.findings)
    if (!is_warning(finding.rule))
      return with_hint(error(Code::kCorrupt, "{}", describe(path, finding)),
                       fmt::format("tercet contract validate {}", path));
  return *std::move(loaded.contract);
}

Result<std::vector<std::string>> list_contracts(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().string());
  std::ranges::sort(out);
  if (out.empty()) return error(Code::kNotFound, "{}: no contracts in it, want at least one", printable(folder, 400));
  return out;
}

}  // namespace tercet::contract
