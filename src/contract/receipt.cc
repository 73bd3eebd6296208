#include "contract/receipt.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "contract/to_json.h"

namespace tercet::contract {
namespace {

namespace json = boost::json;

constexpr int kForm = 1;
constexpr std::streamsize kMaxBytes = std::streamsize{256} << 20;

// JSON has no NaN; null stands for every number that is none.
json::value number(double x) { return std::isfinite(x) ? json::value(x) : json::value(nullptr); }

json::object to_json(const Figure& f) {
  json::object out = {{"figure", text(f.name)}, {"precision", precision(f.precision)}, {"value", number(f.value)}};
  if (!f.where.empty()) out["where"] = text(f.where);
  return out;
}

json::object to_json(const Series& s) {
  json::array values;
  for (const double value : s.values) values.push_back(number(value));
  return {{"name", text(s.name)}, {"precision", precision(s.precision)}, {"width", s.width}, {"values", values}};
}

json::object to_json(const Bounded& b) {
  json::object out = {{"figure", text(b.figure)}, {"precision", precision(b.precision)}, {"value", number(b.value)}};
  if (!b.where.empty()) out["where"] = text(b.where);
  if (b.at_most) out["at_most"] = *b.at_most;
  if (b.at_least) out["at_least"] = *b.at_least;
  out["unit"] = text(b.unit);
  out["holds"] = b.holds;
  if (!b.first.empty()) out["first_beyond"] = text(b.first);
  return out;
}

json::object to_json(const Row& row);
json::object to_json(const StagePoint& p);
json::object to_json(const DeviceMark& d);
json::object to_json(const ContractMark& c);
json::object to_json(const Roofline& r);

template <typename List>
json::array list(const List& items) {
  json::array out;
  for (const auto& item : items) out.push_back(to_json(item));
  return out;
}

json::object to_json(const Row& row) {
  json::array untried;
  for (const backend::Precision p : row.evidence.untried) untried.push_back(text(backend::precision_name(p)));
  return {{"contract", text(row.contract)},
          {"falsifier", text(row.falsifier)},
          {"backend", row.backend.empty() ? json::value(nullptr) : text(row.backend)},
          {"device_kind", text(row.device_kind)},
          {"verdict", text(verdict_name(row.judgement.verdict))},
          {"why", text(row.judgement.why)},
          {"seconds", number(row.seconds)},
          {"bounds", list(row.judgement.bounds)},
          {"figures", list(row.evidence.figures)},
          {"series", list(row.evidence.series)},
          {"untried", untried},
          {"broken", text(row.evidence.broken)},
          {"skipped", text(row.evidence.skipped)}};
}

json::object to_json(const DeviceMark& d) {
  return {{"backend", text(d.backend)},
          {"name", text(d.name)},
          {"kind", text(d.kind)},
          {"vendor", text(d.vendor)},
          {"driver", text(d.driver)}};
}

json::object to_json(const StagePoint& p) {
  return {{"stage", text(p.stage)},
          {"n_row", p.n_row},
          {"seconds", number(p.seconds)},
          {"bytes", number(p.bytes)},
          {"flops", number(p.flops)}};
}

json::value arithmetic(const std::optional<backend::Arithmetic>& a) {
  if (!a) return nullptr;
  return json::object{{"flops_per_second", number(a->flops_per_second)}, {"what", text(a->what)}};
}

json::object to_json(const Roofline& r) {
  return {{"backend", text(r.backend)},
          {"precision", precision(r.precision)},
          {"read_bandwidth", r.read_bandwidth ? number(*r.read_bandwidth) : json::value(nullptr)},
          {"arithmetic", arithmetic(r.arithmetic)},
          {"points", list(r.points)},
          {"absent", text(r.absent)}};
}

json::object to_json(const ContractMark& c) {
  return {{"id", text(c.id)}, {"version", text(c.version)}, {"sha256", text(c.sha256)}};
}

json::object to_json(const ModelMark& m) {
  json::object shape;
  for (const auto& [key, value] : m.shape) shape[key] = value;
  return {{"file", text(m.file)},
          {"sha256", text(m.sha256)},
          {"bytes", m.n_byte},
          {"name", text(m.name)},
          {"architecture", text(m.architecture)},
          {"shape", shape}};
}

// Reading: a value of another type than is wanted throws, and read() turns that into an error.

std::string as_text(const json::object& o, std::string_view key) { return std::string(o.at(key).as_string()); }
std::string text_or_empty(const json::object& o, std::string_view key) {
  const json::value* found = o.if_contains(key);
  return found == nullptr || found->is_null() ? "" : std::string(found->as_string());
}
double as_number(const json::value& v) {
  return v.is_null() ? std::numeric_limits<double>::quiet_NaN() : v.to_number<double>();
}
std::optional<double> maybe_number(const json::object& o, std::string_view key) {
  const json::value* found = o.if_contains(key);
  if (found == nullptr) return {};
  return as_number(*found);
}
backend::Precision precision_of(std::string_view name) {
  for (const auto p : {backend::Precision::kExact, backend::Precision::kHigh, backend::Precision::kFast})
    if (backend::precision_name(p) == name) return p;
  throw std::invalid_argument(fmt::format("precision '{}'", printable(name)));
}
std::optional<backend::Precision> as_precision(const json::object& o) {
  const std::string name = text_or_empty(o, "precision");
  if (name.empty()) return {};
  return precision_of(name);
}

template <typename T, typename Read>
std::vector<T> read_list(const json::object& o, std::string_view key, Read read) {
  std::vector<T> out;
  for (const json::value& item : o.at(key).as_array()) out.push_back(read(item));
  return out;
}
std::vector<std::string> read_texts(const json::object& o, std::string_view key) {
  return read_list<std::string>(o, key, [](const json::value& v) { return std::string(v.as_string()); });
}

Bounded read_bounded(const json::value& v) {
  const json::object& o = v.as_object();
  return {as_text(o, "figure"),
          as_precision(o),
          as_number(o.at("value")),
          text_or_empty(o, "where"),
          maybe_number(o, "at_most"),
          maybe_number(o, "at_least"),
          as_text(o, "unit"),
          o.at("holds").as_bool(),
          text_or_empty(o, "first_beyond")};
}

Figure read_figure(const json::value& v) {
  const json::object& o = v.as_object();
  return {as_text(o, "figure"), as_precision(o), as_number(o.at("value")), text_or_empty(o, "where")};
}

Series read_series(const json::value& v) {
  const json::object& o = v.as_object();
  return {as_text(o, "name"), as_precision(o), o.at("width").to_number<int64_t>(),
          read_list<double>(o, "values", as_number)};
}

Row read_row(const json::value& v) {
  const json::object& o = v.as_object();
  Row row;
  row.contract = as_text(o, "contract");
  row.falsifier = as_text(o, "falsifier");
  row.backend = text_or_empty(o, "backend");
  row.device_kind = text_or_empty(o, "device_kind");
  row.seconds = as_number(o.at("seconds"));
  const auto verdict = parse_verdict(as_text(o, "verdict"));
  if (!verdict) throw std::invalid_argument("verdict '" + printable(as_text(o, "verdict")) + "'");
  row.judgement = {*verdict, text_or_empty(o, "why"), read_list<Bounded>(o, "bounds", read_bounded)};
  row.evidence = {
      read_list<Figure>(o, "figures", read_figure), read_list<Series>(o, "series", read_series),
      text_or_empty(o, "broken"), text_or_empty(o, "skipped"),
      read_list<backend::Precision>(o, "untried", [](const json::value& p) { return precision_of(p.as_string()); })};
  return row;
}

// None in receipts of programs that did not measure it.
std::optional<backend::Arithmetic> read_arithmetic(const json::object& o) {
  const json::value* found = o.if_contains("arithmetic");
  if (found == nullptr || found->is_null()) return {};
  const json::object& a = found->as_object();
  backend::Arithmetic out{as_number(a.at("flops_per_second")), as_text(a, "what")};
  if (!std::isfinite(out.flops_per_second)) return {};
  return out;
}

Roofline read_roofline(const json::value& v) {
  const json::object& o = v.as_object();
  Roofline out{as_text(o, "backend"),
               precision_of(as_text(o, "precision")),
               maybe_number(o, "read_bandwidth"),
               read_arithmetic(o),
               {},
               text_or_empty(o, "absent")};
  if (out.read_bandwidth && !std::isfinite(*out.read_bandwidth)) out.read_bandwidth.reset();
  out.points = read_list<StagePoint>(o, "points", [](const json::value& p) {
    const json::object& point = p.as_object();
    return StagePoint{as_text(point, "stage"), point.at("n_row").to_number<int64_t>(), as_number(point.at("seconds")),
                      as_number(point.at("bytes")), as_number(point.at("flops"))};
  });
  return out;
}

ModelMark read_model(const json::object& o) {
  ModelMark out{as_text(o, "file"), as_text(o, "sha256"),       o.at("bytes").to_number<int64_t>(),
                as_text(o, "name"), as_text(o, "architecture"), {}};
  for (const auto& [key, value] : o.at("shape").as_object())
    out.shape.emplace_back(std::string(key), value.to_number<int64_t>());
  return out;
}

Summary read_summary(const json::object& o) {
  Summary out{Outcome::kIncomplete, read_texts(o, "missing")};
  const std::string name = as_text(o, "verdict");
  for (const Outcome outcome : {Outcome::kHeld, Outcome::kFalsified, Outcome::kIncomplete})
    if (outcome_name(outcome) == name) out.outcome = outcome;
  if (outcome_name(out.outcome) != name) throw std::invalid_argument("verdict '" + printable(name) + "'");
  return out;
}

Receipt read(const json::object& o) {
  Receipt out;
  const json::object& program = o.at("program").as_object();
  out.program_version = as_text(program, "version");
  out.commit = as_text(program, "commit");
  out.made_at = as_text(o, "made_at");
  out.host = as_text(o, "host");
  out.depth = as_text(o, "depth");
  out.model = read_model(o.at("model").as_object());
  out.asked = read_texts(o, "asked");
  out.devices = read_list<DeviceMark>(o, "devices", [](const json::value& v) {
    const json::object& d = v.as_object();
    return DeviceMark{as_text(d, "backend"), as_text(d, "name"), as_text(d, "kind"), as_text(d, "vendor"),
                      as_text(d, "driver")};
  });
  out.contracts = read_list<ContractMark>(o, "contracts", [](const json::value& v) {
    const json::object& c = v.as_object();
    return ContractMark{as_text(c, "id"), as_text(c, "version"), as_text(c, "sha256")};
  });
  out.rows = read_list<Row>(o, "rows", read_row);
  if (o.contains("rooflines")) out.rooflines = read_list<Roofline>(o, "rooflines", read_roofline);
  out.summary = read_summary(o);
  return out;
}

}  // namespace

ModelMark mark_of(const model::Config& c) {
  ModelMark out;
  out.name = c.name;
  out.architecture = c.architecture;
  out.shape = {{"n_layer", c.n_layer},   {"d_model", c.d_model},
               {"n_head", c.n_head},     {"n_head_kv", c.n_head_kv},
               {"d_head", c.d_head},     {"d_ff", c.d_ff},
               {"n_expert", c.n_expert}, {"n_expert_used", c.n_expert_used},
               {"n_vocab", c.n_vocab},   {"n_ctx_train", c.n_ctx_train}};
  return out;
}

json::object to_json(const Receipt& r) {
  return {{"tercet_receipt", kForm},
          {"verdict", text(outcome_name(r.summary.outcome))},
          {"missing", texts(r.summary.missing)},
          {"program", {{"version", text(r.program_version)}, {"commit", text(r.commit)}}},
          {"made_at", text(r.made_at)},
          {"host", text(r.host)},
          {"depth", text(r.depth)},
          {"model", to_json(r.model)},
          {"asked", texts(r.asked)},
          {"devices", list(r.devices)},
          {"contracts", list(r.contracts)},
          {"rows", list(r.rows)},
          {"rooflines", list(r.rooflines)}};
}

Result<Receipt> parse_receipt(std::string_view source) {
  boost::system::error_code failed;
  const json::value root = json::parse(source, failed);
  if (failed) return error(Code::kCorrupt, "receipt: {}, want JSON", failed.message());
  try {
    const json::object& o = root.as_object();
    const json::value* form = o.if_contains("tercet_receipt");
    if (form == nullptr)
      return error(Code::kCorrupt, "receipt: no 'tercet_receipt', want one that `contract run` wrote");
    if (form->to_number<int>() != kForm)
      return error(Code::kUnsupported, "receipt: form {}, want {}", form->to_number<int>(), kForm);
    return read(o);
  } catch (const std::exception& e) {
    return error(Code::kCorrupt, "receipt: {}, want what `contract run` wrote", printable(e.what(), 200));
  }
}

Result<Receipt> read_receipt(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return error(Code::kNotFound, "{}: cannot be opened, want a receipt", printable(path, 400));
  const std::streamoff n = file.tellg();
  if (n < 0 || n > kMaxBytes)
    return error(Code::kLimit, "{}: {} bytes, want at most {}", printable(path, 400), n, kMaxBytes);
  file.seekg(0);
  const std::string source{std::istreambuf_iterator<char>(file), {}};
  auto receipt = parse_receipt(source);
  if (!receipt) receipt.error().message = fmt::format("{}: {}", printable(path, 400), receipt.error().message);
  return receipt;
}

namespace {

// What the contract asks for and the receipt has no row of: whoever leaves out what was falsified shows nothing.
void find_left_out(const Receipt& receipt, const Contract& contract, std::vector<std::string>& out) {
  const auto has = [&](const Falsifier& falsifier, const std::string& backend) {
    return std::ranges::any_of(receipt.rows, [&](const Row& row) {
      return row.contract == contract.id.text && row.falsifier == falsifier.id.text && row.backend == backend;
    });
  };
  std::vector<std::string> backends = receipt.asked;
  backends.emplace_back();  // none
  for (const Falsifier& falsifier : contract.falsifiers)
    for (const std::string& backend : backends)
      if (applies_to(contract, falsifier, backend) && !has(falsifier, backend))
        out.push_back(
            fmt::format("{}{}{} is not in the receipt", falsifier.id.text, backend.empty() ? "" : " on ", backend));
}

}  // namespace

Verification verify(const Receipt& receipt, const std::vector<Contract>& contracts) {
  Verification out;
  std::vector<Contract> spoken_of;
  for (const ContractMark& mark : receipt.contracts) {
    const auto here = std::ranges::find_if(contracts, [&](const Contract& c) { return c.id.text == mark.id; });
    if (here == contracts.end()) {
      out.changes.push_back(fmt::format("{} {} is not here", mark.id, mark.version));
      out.missing.push_back(fmt::format("{} is not here to be checked against", mark.id));
      continue;
    }
    spoken_of.push_back(*here);
    if (here->hash != mark.sha256)
      out.changes.push_back(
          fmt::format("{} has changed since: {} then, {} now", mark.id, mark.version, here->version.text));
    else
      find_left_out(receipt, *here, out.missing);
  }
  for (const Row& row : receipt.rows) {
    const auto c = std::ranges::find_if(spoken_of, [&](const Contract& x) { return x.id.text == row.contract; });
    if (c == spoken_of.end()) continue;
    const Falsifier* falsifier = c->find_falsifier(row.falsifier);
    if (falsifier == nullptr) {
      out.changes.push_back(fmt::format("{} is no falsifier of {} any more", row.falsifier, row.contract));
      continue;
    }
    Row anew = row;
    anew.judgement = judge(*falsifier, row.evidence, row.backend, row.device_kind);
    if (anew.judgement.verdict != row.judgement.verdict)
      out.contradictions.push_back(fmt::format(
          "{}{}{}: {} in the receipt, its figures say {}{}{}", row.falsifier, row.backend.empty() ? "" : " on ",
          row.backend, verdict_name(row.judgement.verdict), verdict_name(anew.judgement.verdict),
          anew.judgement.why.empty() ? "" : ": ", anew.judgement.why));
    out.rows.push_back(std::move(anew));
  }
  const Summary summary = summarize(spoken_of, receipt.asked, out.rows);
  out.outcome = summary.outcome;
  for (const std::string& reason : summary.missing) out.missing.push_back(reason);
  if (!out.missing.empty() && out.outcome == Outcome::kHeld) out.outcome = Outcome::kIncomplete;
  // Where a contract is not here, less can be judged than was, and the whole cannot be compared.
  if (spoken_of.size() == receipt.contracts.size() && out.outcome != receipt.summary.outcome)
    out.contradictions.push_back(fmt::format("the whole: {} in the receipt, its figures say {}",
                                             outcome_name(receipt.summary.outcome), outcome_name(out.outcome)));
  return out;
}

}  // namespace tercet::contract
