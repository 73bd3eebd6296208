// What a report is drawn from.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/base64.h"
#include "contract/report.h"
#include "contract/to_json.h"

namespace tercet::contract {
namespace {

namespace json = boost::json;

// Of a larger vocabulary the page gets a part: the entries where backends differ most, and others at even distances.
constexpr size_t kMostLogits = size_t{1} << 14;
constexpr size_t kWorstLogits = 1024;  // of each vector

json::array names(const std::vector<Name>& items) {
  json::array out;
  for (const Name& item : items) out.push_back(text(item.text));
  return out;
}

bool is_logits(const Series& s) { return s.name == "logits" || s.name == "logits_of_ref"; }

struct Vector {
  std::string backend;
  std::optional<backend::Precision> precision;
  const std::vector<double>* values;
};

// All that are of one vocabulary, ref's first and once.
std::vector<Vector> logits_of(const Receipt& receipt) {
  std::vector<Vector> out;
  for (const Row& row : receipt.rows)
    for (const Series& s : row.evidence.series)
      if (s.name == "logits_of_ref" && out.empty() && !s.values.empty()) out.push_back({"ref", {}, &s.values});
  if (out.empty()) return out;
  for (const Row& row : receipt.rows)
    for (const Series& s : row.evidence.series)
      if (s.name == "logits" && s.values.size() == out[0].values->size())
        out.push_back({row.backend, s.precision, &s.values});
  return out;
}

// The entries of the vocabulary that the page gets, ascending.
std::vector<size_t> chosen_entries(const std::vector<Vector>& vectors) {
  const std::vector<double>& ref = *vectors[0].values;
  std::vector<size_t> all(ref.size());
  std::iota(all.begin(), all.end(), size_t{0});
  if (all.size() <= kMostLogits) return all;
  std::vector<size_t> out;
  for (const Vector& v : vectors) {
    // ref's own are its largest; what is no number comes first.
    const auto rank = [&](size_t i) {
      const double x = v.values == &ref ? ref[i] : std::abs((*v.values)[i] - ref[i]);
      return std::isnan(x) ? std::numeric_limits<double>::infinity() : x;
    };
    std::vector<size_t> order = all;
    const auto worst = order.begin() + kWorstLogits;
    std::partial_sort(order.begin(), worst, order.end(), [&](size_t a, size_t b) { return rank(a) > rank(b); });
    out.insert(out.end(), order.begin(), worst);
  }
  const size_t stride = (all.size() + kMostLogits - 1) / kMostLogits;
  for (size_t i = 0; i < all.size(); i += stride) out.push_back(i);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

json::object logits_data(const Receipt& receipt) {
  const std::vector<Vector> vectors = logits_of(receipt);
  json::array out;
  if (vectors.empty()) return {{"n_vocab", 0}, {"ids", nullptr}, {"vectors", out}};
  const std::vector<size_t> entries = chosen_entries(vectors);
  for (const Vector& v : vectors) {
    std::vector<float> values;
    for (const size_t i : entries) values.push_back(static_cast<float>((*v.values)[i]));
    out.push_back(json::object{{"backend", text(v.backend)},
                               {"precision", precision(v.precision)},
                               {"f32", base64(std::as_bytes(std::span(values)))}});
  }
  const size_t n_vocab = vectors[0].values->size();
  json::value ids = nullptr;
  if (entries.size() < n_vocab) {
    json::array& list = ids.emplace_array();
    for (const size_t i : entries) list.push_back(json::value(static_cast<uint64_t>(i)));
  }
  return {{"n_vocab", n_vocab}, {"ids", std::move(ids)}, {"vectors", std::move(out)}};
}

json::object to_json(const Threshold& t) {
  json::object out = {{"figure", text(t.figure.text)}, {"precision", precision(t.precision)},
                      {"backend", text(t.backend)},    {"device", text(t.device)},
                      {"unit", text(t.unit)},          {"reason", text(t.reason)}};
  if (t.at_most) out["at_most"] = *t.at_most;
  if (t.at_least) out["at_least"] = *t.at_least;
  return out;
}

json::object to_json(const Contract& c) {
  json::array claims, falsifiers, amendments, stages;
  for (const Obligation& o : c.obligations)
    claims.push_back(
        json::object{{"id", text(o.id.text)}, {"claim", text(o.claim)}, {"falsifiers", names(o.falsifiers)}});
  for (const Falsifier& f : c.falsifiers) {
    json::array thresholds;
    for (const Threshold& t : f.thresholds) thresholds.push_back(to_json(t));
    falsifiers.push_back(
        json::object{{"id", text(f.id.text)}, {"summary", text(f.summary)}, {"thresholds", std::move(thresholds)}});
  }
  for (const Amendment& a : c.amendments)
    amendments.push_back(json::object{{"version", text(a.version.text)}, {"summary", text(a.summary)}});
  for (const Stage& s : c.stages)
    stages.push_back(json::object{{"id", text(s.id.text)}, {"title", text(s.title)}, {"state", text(s.state.text)}});
  return {{"id", text(c.id.text)},
          {"version", text(c.version.text)},
          {"sha256", text(c.hash)},
          {"kind", text(c.kind.text)},
          {"title", text(c.title)},
          {"prefix", text(c.prefix.text)},
          {"parity", text(c.parity.text)},
          {"claims", std::move(claims)},
          {"stages", std::move(stages)},
          {"falsifiers", std::move(falsifiers)},
          {"amendments", std::move(amendments)}};
}

}  // namespace

json::object report_data(const Receipt& receipt, const std::vector<Contract>& contracts) {
  Receipt shown = receipt;
  for (Row& row : shown.rows) std::erase_if(row.evidence.series, is_logits);
  json::array here;
  for (const Contract& c : contracts)
    if (std::ranges::any_of(receipt.contracts, [&](const ContractMark& mark) { return mark.id == c.id.text; }))
      here.push_back(to_json(c));
  const Verification v = verify(receipt, contracts);
  return {{"receipt", contract::to_json(shown)},
          {"contracts", std::move(here)},
          {"verification",
           {{"verdict", text(outcome_name(v.outcome))},
            {"changes", texts(v.changes)},
            {"contradictions", texts(v.contradictions)},
            {"missing", texts(v.missing)}}},
          {"logits", logits_data(receipt)}};
}

}  // namespace tercet::contract
