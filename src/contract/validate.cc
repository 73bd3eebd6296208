#include "contract/validate.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "contract/check.h"

namespace tercet::contract {
namespace {

// MAJOR.MINOR.PATCH, or nothing.
std::optional<std::array<int, 3>> parse_version(const std::string& text) {
  std::array<int, 3> parts{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      if (at == end || *at != '.') return {};
      ++at;
    }
    const auto parsed = std::from_chars(at, end, parts[i]);
    if (parsed.ec != std::errc() || parts[i] < 0) return {};
    at = parsed.ptr;
  }
  if (at != end) return {};
  return parts;
}

bool is_id(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  });
}

class Validator {
 public:
  Validator(const Contract& contract, Findings& findings) : c_(contract), findings_(findings) {}
  void run() {
    check_head();
    check_ids();
    check_amendments();
    check_references();
    check_obligations();
    check_stages();
    for (const Falsifier& falsifier : c_.falsifiers) check_falsifier(falsifier);
    check_parity();
  }

 private:
  template <typename... Args>
  void report(Rule rule, Mark at, fmt::format_string<Args...> format, Args&&... args) {
    findings_.push_back({rule, at, fmt::format(format, std::forward<Args>(args)...)});
  }

  void check_head() {
    const std::string stem = std::filesystem::path(c_.path).stem().string();
    if (!c_.id.text.empty() && c_.id.text != stem)
      report(Rule::kIdForm, c_.id.at, "contract: id '{}', want the file's name, '{}'", printable(c_.id.text),
             printable(stem));
    if (!c_.prefix.text.empty() && !(c_.prefix.text.starts_with("FALSIFY-") && c_.prefix.text.ends_with("-")))
      report(Rule::kIdForm, c_.prefix.at, "contract: prefix '{}', want FALSIFY-...-", printable(c_.prefix.text));
    check_backends(c_.backends, "contract");
  }

  void check_backends(const std::vector<Name>& names, std::string_view what) {
    for (const Name& name : names)
      if (name.text != "cpu" && name.text != "cuda" && name.text != "wgpu")
        report(Rule::kType, name.at, "{}: backend '{}', want cpu, cuda or wgpu", what, printable(name.text));
  }

  // Ids share one space, but versions of amendments, which are numbers of their own.
  void check_ids() {
    std::map<std::string, Mark> seen;
    const auto take = [&](const Name& id, std::string_view what) {
      if (id.text.empty()) return;
      if (!is_id(id.text))
        report(Rule::kIdForm, id.at, "{}: id '{}', want letters, digits, '-', '.' and '_'", what, printable(id.text));
      const auto [at, is_new] = seen.emplace(id.text, id.at);
      if (!is_new)
        report(Rule::kIdClash, id.at, "{}: id '{}' again, want another (line {})", what, printable(id.text),
               at->second.line);
    };
    for (const auto& r : c_.references) take(r.id, "reference");
    for (const auto& b : c_.blockers) take(b.id, "blocker");
    for (const auto& e : c_.equations) take(e.id, "equation");
    for (const auto& o : c_.obligations) take(o.id, "obligation");
    for (const auto& s : c_.stages) take(s.id, "stage");
    for (const auto& f : c_.falsifiers) {
      take(f.id, "falsifier");
      if (!f.id.text.empty() && !f.id.text.starts_with(c_.prefix.text))
        report(Rule::kIdForm, f.id.at, "falsifier: id '{}', want it to begin with {}", printable(f.id.text),
               printable(c_.prefix.text));
    }
  }

  void check_amendments() {
    std::optional<std::array<int, 3>> before;
    for (const Amendment& amendment : c_.amendments) {
      if (amendment.version.text.empty()) continue;
      const auto version = parse_version(amendment.version.text);
      if (!version)
        report(Rule::kIdForm, amendment.version.at, "amendment: version '{}', want MAJOR.MINOR.PATCH",
               printable(amendment.version.text));
      if (version && before && *version <= *before)
        report(Rule::kOrder, amendment.version.at, "amendment: {} after {}, want ascending versions",
               amendment.version.text, fmt::join(*before, "."));
      if (version) before = version;
    }
    if (c_.amendments.empty() || c_.version.text.empty()) return;
    const Name& last = c_.amendments.back().version;
    if (last.text != c_.version.text)
      report(Rule::kOrder, c_.version.at, "contract: version {}, want that of the last amendment, {}",
             printable(c_.version.text), printable(last.text));
  }

  template <typename List>
  bool has(const List& list, const std::string& id) const {
    return std::ranges::any_of(list, [&](const auto& item) { return item.id.text == id; });
  }
  template <typename List>
  void want(const List& list, const Name& name, std::string_view who, std::string_view what) {
    if (!name.text.empty() && !has(list, name.text))
      report(Rule::kDangling, name.at, "{}: {} '{}', want one of this contract's", who, what, printable(name.text));
  }

  void check_references() {
    std::set<std::string> cited;
    for (const Equation& equation : c_.equations)
      for (const Name& reference : equation.references) {
        want(c_.references, reference, "equation", "reference");
        cited.insert(reference.text);
      }
    for (const Reference& reference : c_.references)
      if (!reference.id.text.empty() && !cited.contains(reference.id.text))
        report(Rule::kUnusedReference, reference.id.at, "reference '{}': no equation cites it, want one that does",
               printable(reference.id.text));
    for (const Blocker& blocker : c_.blockers) {
      const auto same = [&](const Amendment& a) { return a.version.text == blocker.raised_in.text; };
      if (!blocker.raised_in.text.empty() && std::ranges::none_of(c_.amendments, same))
        report(Rule::kDangling, blocker.raised_in.at, "blocker: raised in '{}', want an amendment's version",
               printable(blocker.raised_in.text));
    }
  }

  void check_obligations() {
    std::set<std::string> equations;
    std::set<std::string> falsifiers;
    for (const Obligation& obligation : c_.obligations) {
      if (obligation.falsifiers.empty())
        report(Rule::kUnproven, obligation.id.at, "obligation '{}': no falsifier, want at least one",
               printable(obligation.id.text));
      for (const Name& name : obligation.equations) {
        want(c_.equations, name, "obligation", "equation");
        equations.insert(name.text);
      }
      for (const Name& name : obligation.falsifiers) {
        want(c_.falsifiers, name, "obligation", "falsifier");
        falsifiers.insert(name.text);
      }
    }
    for (const Falsifier& f : c_.falsifiers)
      if (!f.id.text.empty() && !falsifiers.contains(f.id.text))
        report(Rule::kNeedless, f.id.at, "falsifier '{}': no obligation needs it, want one that does",
               printable(f.id.text));
    for (const Equation& e : c_.equations)
      if (!e.id.text.empty() && !equations.contains(e.id.text))
        report(Rule::kUnusedEquation, e.id.at, "equation '{}': no obligation rests on it, want one that does",
               printable(e.id.text));
  }

  void check_stages() {
    for (const Stage& stage : c_.stages) {
      if (stage.state.text == "done" && stage.tests.empty())
        report(Rule::kUntestedStage, stage.state.at, "stage '{}': done without a test, want the test that shows it",
               printable(stage.id.text));
      for (const Name& test : stage.tests)
        if (test.text.starts_with("FALSIFY-")) want(c_.falsifiers, test, "stage", "falsifier");
    }
  }

  void check_falsifier(const Falsifier& falsifier) {
    check_backends(falsifier.backends, "falsifier");
    for (const Name& name : falsifier.backends)
      if (std::ranges::none_of(c_.backends, [&](const Name& b) { return b.text == name.text; }))
        report(Rule::kDangling, name.at, "falsifier: backend '{}', want one of the contract's", printable(name.text));
    for (const Threshold& t : falsifier.thresholds) check_threshold(falsifier, t);
    if (falsifier.check.text.empty()) return;
    const Check* check = find_check(falsifier.check.text);
    if (check == nullptr) {
      report(Rule::kCheck, falsifier.check.at, "falsifier: check '{}', want one that the program has",
             printable(falsifier.check.text));
      return;
    }
    for (const Threshold& t : falsifier.thresholds)
      if (!t.figure.text.empty() && std::ranges::find(check->figures, t.figure.text) == check->figures.end())
        report(Rule::kFigure, t.figure.at, "threshold: figure '{}', want one that check '{}' gives: {}",
               printable(t.figure.text), check->name, fmt::join(check->figures, ", "));
    if (falsifier.thresholds.empty())
      report(Rule::kFigure, falsifier.id.at, "falsifier '{}': no threshold, want at least one",
             printable(falsifier.id.text));
  }

  void check_threshold(const Falsifier& falsifier, const Threshold& t) {
    if (t.unit.empty() || t.reason.empty())
      report(Rule::kBareThreshold, t.at, "threshold of '{}': no {}, want both unit and reason",
             printable(falsifier.id.text), t.unit.empty() ? "unit" : "reason");
    if (t.at_most.has_value() == t.at_least.has_value())
      report(Rule::kBound, t.at, "threshold of '{}': {} of at_most and at_least, want one of them",
             printable(falsifier.id.text), t.at_most ? "both" : "neither");
    else if (!std::isfinite(t.at_most ? *t.at_most : *t.at_least))
      report(Rule::kBound, t.at, "threshold of '{}': a bound that is not finite, want a number",
             printable(falsifier.id.text));
  }

  void check_parity() {
    if (c_.is_forward() && c_.parity.text.empty())
      report(Rule::kParity, c_.id.at, "contract: forward without 'parity', want the falsifier that is its gate");
    if (c_.is_forward() && c_.backends.empty())
      report(Rule::kParity, c_.id.at, "contract: forward without 'backends', want those that it speaks of");
    if (c_.kind.text == "component" && !c_.parity.text.empty())
      report(Rule::kParity, c_.parity.at, "contract: a component with 'parity', want it in forward contracts only");
    want(c_.falsifiers, c_.parity, "contract", "parity");
  }

  const Contract& c_;
  Findings& findings_;
};

}  // namespace

void validate(const Contract& contract, Findings& findings) { Validator(contract, findings).run(); }

std::string describe(std::string_view path, const Finding& finding) {
  std::string out(path);
  if (finding.at.line > 0) out += fmt::format(":{}:{}", finding.at.line, finding.at.column);
  return fmt::format("{}: {} C{:03}: {}", out, is_warning(finding.rule) ? "warning" : "error",
                     static_cast<int>(finding.rule), finding.message);
}

int count_errors(const Findings& findings) {
  return static_cast<int>(std::ranges::count_if(findings, [](const Finding& f) { return !is_warning(f.rule); }));
}

int count_warnings(const Findings& findings) { return static_cast<int>(std::ssize(findings)) - count_errors(findings); }

}  // namespace tercet::contract
