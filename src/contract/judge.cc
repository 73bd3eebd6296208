#include "contract/judge.h"

#include <algorithm>
#include <cmath>

namespace tercet::contract {
namespace {

bool is_worse(const Threshold& t, double a, double b) {
  if (std::isnan(b)) return false;
  if (std::isnan(a)) return true;
  return t.at_most ? a > b : a < b;
}

std::optional<Bounded> compare(const Threshold& t, const Evidence& evidence, std::string_view backend,
                               std::string_view kind) {
  std::optional<Bounded> out;
  for (const Figure& figure : evidence.figures) {
    if (!t.covers(figure.name, figure.precision, backend, kind)) continue;
    const bool holds = t.holds(figure.value);
    if (!out) {
      out = Bounded{figure.name, figure.precision, figure.value, figure.where, t.at_most, t.at_least, t.unit, true, ""};
    } else if (is_worse(t, figure.value, out->value)) {
      out->precision = figure.precision;
      out->value = figure.value;
      out->where = figure.where;
    }
    if (!holds && out->first.empty()) out->first = figure.where;
    out->holds = out->holds && holds;
  }
  return out;
}

bool is_of(const Threshold& t, std::string_view backend, std::string_view kind) {
  return (t.backend.empty() || t.backend == backend) && (t.device.empty() || t.device == kind);
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHeld: return "HELD";
    case Verdict::kFalsified: return "FALSIFIED";
    case Verdict::kSkipped: break;
  }
  return "SKIPPED";
}

std::optional<Verdict> parse_verdict(std::string_view name) {
  for (const Verdict verdict : {Verdict::kHeld, Verdict::kFalsified, Verdict::kSkipped})
    if (verdict_name(verdict) == name) return verdict;
  return {};
}

std::string Bounded::describe() const {
  std::string out = figure;
  if (precision) out += fmt::format(" ({})", backend::precision_name(*precision));
  // A cosine of 0.9999997 must not read as 1.
  out += value > 0.9 && value < 1 ? fmt::format(" 1 - {:.2g}", 1 - value) : fmt::format(" {:.3g}", value);
  if (!where.empty()) out += fmt::format(" at {}", where);
  out += fmt::format(", want at {} {:.8g}", at_most ? "most" : "least", at_most ? *at_most : *at_least);
  if (!first.empty() && first != where) out += fmt::format("; the first beyond it is {}", first);
  return out;
}

Judgement judge(const Falsifier& falsifier, const Evidence& evidence, std::string_view backend, std::string_view kind) {
  Judgement out;
  if (!evidence.skipped.empty() && evidence.broken.empty()) {
    out.why = evidence.skipped;
    return out;
  }
  out.why = evidence.broken;
  bool is_bounded = false;
  for (const Threshold& t : falsifier.thresholds) {
    if (!is_of(t, backend, kind)) continue;
    if (t.precision && std::ranges::find(evidence.untried, *t.precision) != evidence.untried.end()) continue;
    is_bounded = true;
    auto bounded = compare(t, evidence, backend, kind);
    if (bounded) {
      if (!bounded->holds && out.why.empty()) out.why = bounded->describe();
      out.bounds.push_back(*std::move(bounded));
    } else if (out.why.empty()) {
      out.why = fmt::format("{}: nothing was measured, want a figure within its bound", t.figure.text);
    }
  }
  if (out.why.empty() && !is_bounded) {
    out.why = fmt::format("no bound is stated for {} on a device of kind {}", backend, kind);
    return out;
  }
  out.verdict = out.why.empty() ? Verdict::kHeld : Verdict::kFalsified;
  return out;
}

}  // namespace tercet::contract
